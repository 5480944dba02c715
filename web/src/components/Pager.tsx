// Pages of a long list.
import { Button } from '@mantine/core'
import s from './sections.module.css'

export function Pager({ page, pages, go }: { page: number; pages: number; go: (page: number) => void }) {
  if (pages <= 1) return null
  return (
    <nav className={s.pager} aria-label="Pages of the list">
      <Button size="xs" variant="default" disabled={page <= 1} onClick={() => go(page - 1)}>Back</Button>
      <span className="muted num">{page} of {pages}</span>
      <Button size="xs" variant="default" disabled={page >= pages} onClick={() => go(page + 1)}>Next</Button>
    </nav>
  )
}
