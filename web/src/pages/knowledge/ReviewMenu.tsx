// The decisions on a file or one of its insights, each with its curl line.
import { ActionIcon, Menu } from '@mantine/core'
import { CurlItems } from '../../components/actions'
import { Icon } from '../../components/icons'
import { DECISIONS, reviewCall, useReview, type Review } from './parts'
import type { KnowledgeFile } from './queries'

/** `by` is the file that may take the place of this one. */
export function ReviewMenu({ file, insight, label, by }: { file: string; insight?: string; label: string; by?: KnowledgeFile | null }) {
  const review = useReview()
  const choices: [Review, string, string][] = DECISIONS.map(([action, text, name]) => [{ file, action, insight }, text, name])
  if (by) choices.push([{ file, action: 'supersede', by: by.id }, `Superseded by ${by.title || by.name}`, 'supersession'])
  return (
    <Menu position="bottom-end" width={260}>
      <Menu.Target><ActionIcon variant="subtle" color="gray" loading={review.isPending} aria-label={label}><Icon name="more" /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {choices.map(([r, text]) => <Menu.Item key={r.action} onClick={() => review.mutate(r)}>{text}</Menu.Item>)}
        <Menu.Divider />
        <CurlItems calls={choices.map(([r, , name]) => [name, reviewCall(r)])} />
      </Menu.Dropdown>
    </Menu>
  )
}
