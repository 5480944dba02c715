// Adds a service, from nothing or a template, or changes one. What the configuration file defines is changed there.
import { useState } from 'react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Button, Group, Modal } from '@mantine/core'
import { useLocation } from 'wouter'
import type { Service } from '../../api/client'
import { send } from '../../api/rest'
import { CopyAsCurl } from '../../components/actions'
import { useReturnFocus } from '../../components/focus'
import { toast } from '../../components/toasts'
import { ErrorState, SkeletonRows } from '../../components/ui'
import { usePhone } from '../../components/values'
import { href } from '../../pages'
import { callOf, useAction } from './actions'
import { serviceQuery } from './queries'
import { Secrets } from './Secrets'
import { ServiceForm } from './ServiceForm'
import s from './services.module.css'

const RELOAD = { method: 'POST' as const, path: '/-/reload' }

/** What is said when a change is in force only from the next start on. */
function RestartNeeded({ service: x, onClose }: { service: Service; onClose: () => void }) {
  const action = useAction()
  const restart = () => action.mutateAsync({ service: x, verb: 'restart' }).then(onClose, () => {}) // the message tells
  return (
    <div className={s.form} role="status">
      <p><b>{x.display_name} was changed. Restart needed:</b> what runs now still has the old definition.</p>
      <Group justify="flex-end" gap="xs">
        <CopyAsCurl call={callOf(x.name, 'restart')} />
        <Button variant="default" onClick={onClose}>Later</Button>
        <Button loading={action.isPending} onClick={() => void restart()} data-autofocus>Restart now</Button>
      </Group>
    </div>
  )
}

/** A service of the configuration file: the API refuses each change of its definition with these words. */
function OfTheFile({ service: x, onClose }: { service: Service; onClose: () => void }) {
  const reload = useMutation({
    mutationFn: () => send<{ message?: string }>(RELOAD),
    onSuccess: (answer) => {
      toast.done(answer.message ?? 'The configuration file was read again')
      onClose()
    },
  })
  return (
    <div className={s.form}>
      <p><b>"{x.name}" is defined in the configuration file, at <span className="mono">{x.origin}</span>; change it there.</b></p>
      <p className="muted">From here it can be started, stopped and restarted, and its secrets can be given values; nothing of its definition can be changed. When you have changed the file, let the server read it again.</p>
      {reload.isError ? <ErrorState error={reload.error} what="The file was not taken over; all is as it was" /> : null}
      <Group justify="flex-end" gap="xs">
        <CopyAsCurl call={RELOAD} />
        <Button variant="default" onClick={onClose}>Close</Button>
        <Button loading={reload.isPending} onClick={() => reload.mutate()}>Read the file again</Button>
      </Group>
    </div>
  )
}

function Change({ name, onClose }: { name: string; onClose: () => void }) {
  const q = useQuery({ ...serviceQuery(name), staleTime: 0, refetchOnMount: 'always' })
  const [opened] = useState(() => Date.now())
  const [saved, setSaved] = useState<Service | null>(null)
  if (saved) return <RestartNeeded service={saved} onClose={onClose} />
  if (q.isError && !q.data) return <ErrorState error={q.error} what="The definition could not be read" retry={() => void q.refetch()} />
  if (!q.data || (q.dataUpdatedAt < opened && !q.isError)) return <SkeletonRows rows={8} height={28} /> // what was read before may be old
  const done = (x: Service) => {
    if (x.restart_needed) return setSaved(x)
    toast.done(`${x.display_name} was changed`)
    onClose()
  }
  return (
    <>
      {q.data.origin === 'api' ? <ServiceForm old={q.data.definition} onClose={onClose} onSaved={done} /> : <OfTheFile service={q.data} onClose={onClose} />}
      <Secrets service={q.data.name} secrets={q.data.secrets} />
    </>
  )
}

export default function EditService({ name, title, onClose }: { name?: string; title?: string; onClose: () => void }) {
  useReturnFocus(true)
  const phone = usePhone()
  const [, go] = useLocation()
  const added = (x: Service) => {
    toast.done(`${x.display_name} was added`)
    onClose()
    go(href('service', { name: x.name }))
  }
  return (
    <Modal opened onClose={onClose} fullScreen={phone} size="lg" title={name ? `Change ${title ?? name}` : 'Add a service'} closeButtonProps={{ 'aria-label': 'Close' }}>
      {name ? <Change name={name} onClose={onClose} /> : <ServiceForm onClose={onClose} onSaved={added} />}
    </Modal>
  )
}
