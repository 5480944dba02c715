// The buttons at the top of a service or job.
import type { ReactNode } from 'react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { ActionIcon, Button, Menu } from '@mantine/core'
import { useLocation } from 'wouter'
import type { Service } from '../../api/client'
import { send } from '../../api/rest'
import { CurlItem, type Call, type Question } from '../../components/actions'
import { Icon } from '../../components/icons'
import { toast } from '../../components/toasts'
import { href } from '../../pages'
import { jobCall, jobRuns, useJobAction } from '../jobs/actions'
import { useAdmin } from '../login/queries'
import { callOf, type Verb } from '../services/actions'
import { up } from '../services/ask'
import s from './service.module.css'

type Props = { service: Service; busy: string | null; ask: (x: Service, verb: Verb) => void; question: (q: Question) => void; onEdit: () => void }

function JobButtons({ service: x, question }: Pick<Props, 'service' | 'question'>) {
  const action = useJobAction()
  const cancel = () => question({ title: `Cancel ${x.display_name}?`, text: 'The run that is going on is stopped, as a service is.', confirm: 'Cancel the run', danger: true, call: jobCall(x.name, 'cancel'), run: () => action.mutateAsync({ job: x, verb: 'cancel' }).catch(() => {}) })
  return jobRuns(x)
    ? <Button size="xs" variant="default" leftSection={<Icon name="stop" size={14} />} loading={action.isPending} onClick={cancel}>Cancel the run</Button>
    : <Button size="xs" leftSection={<Icon name="play" size={14} />} loading={action.isPending} onClick={() => action.mutate({ job: x, verb: 'run' })}>Run now</Button>
}

function ServiceButtons({ service: x, busy, ask }: Pick<Props, 'service' | 'busy' | 'ask'>) {
  return (
    <>
      {up(x)
        ? <Button size="xs" variant="default" leftSection={<Icon name="stop" size={14} />} disabled={busy !== null} loading={busy === 'stopping'} onClick={() => ask(x, 'stop')}>Stop</Button>
        : <Button size="xs" leftSection={<Icon name="play" size={14} />} disabled={busy !== null} loading={busy === 'starting'} onClick={() => ask(x, 'start')}>Start</Button>}
      <Button size="xs" variant="default" leftSection={<Icon name="restart" size={14} />} disabled={busy !== null} loading={busy === 'restarting'} onClick={() => ask(x, 'restart')}>Restart</Button>
    </>
  )
}

export function Buttons({ service: x, busy, ask, question, onEdit }: Props) {
  const admin = useAdmin()
  const client = useQueryClient()
  const [, go] = useLocation()
  const job = x.type === 'job'
  const removal: Call = { method: 'DELETE', path: `/api/services/${encodeURIComponent(x.name)}` }
  const remove = useMutation({
    mutationFn: () => send<{ message: string }>(removal),
    onSuccess: (answer) => {
      toast.done(answer.message)
      client.removeQueries({ queryKey: ['service', x.name] })
      void client.invalidateQueries({ queryKey: ['services', 'graph'] })
      go(href(job ? 'jobs' : 'services'))
    },
    onError: (error) => toast.failed(`${x.display_name} was not removed`, error),
  })
  const askRemove = () => question({ title: `Remove ${x.display_name}?`, text: 'It is stopped, and its definition, runs and secrets are forgotten.', confirm: 'Remove', danger: true, call: removal, run: () => remove.mutateAsync().catch(() => {}) })
  const curl: [string, Call][] = job
    ? [['Copy run as curl', jobCall(x.name, 'run')], ['Copy cancel as curl', jobCall(x.name, 'cancel')]]
    : (['start', 'stop', 'restart'] as const).map((verb) => [`Copy ${verb} as curl`, callOf(x.name, verb)])
  const danger: ReactNode = (
    <>
      <Menu.Divider />
      <Menu.Item color="red" leftSection={<Icon name="skull" size={16} />} disabled={!up(x)} onClick={() => ask(x, 'kill')}>Kill</Menu.Item>
      {admin && x.origin === 'api' ? <Menu.Item color="red" leftSection={<Icon name="close" size={16} />} onClick={askRemove}>Remove</Menu.Item> : null}
    </>
  )
  return (
    <span className={s.buttons} role="group" aria-label={`Actions for ${x.display_name}`}>
      {job ? <JobButtons service={x} question={question} /> : <ServiceButtons service={x} busy={busy} ask={ask} />}
      {admin ? <Button size="xs" variant="default" leftSection={<Icon name="settings" size={14} />} onClick={onEdit}>Edit</Button> : null}
      <Menu position="bottom-end" width={220}>
        <Menu.Target><ActionIcon variant="default" size={30} aria-label={`More for ${x.display_name}`}><Icon name="more" size={16} /></ActionIcon></Menu.Target>
        <Menu.Dropdown>
          {curl.map(([text, call]) => <CurlItem key={text} call={call}>{text}</CurlItem>)}
          {danger}
        </Menu.Dropdown>
      </Menu>
    </span>
  )
}
