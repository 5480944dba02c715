// What is kept quiet for a time, and the form for it.
import { useState, type FormEvent } from 'react'
import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError } from '../../api/client'
import { send } from '../../api/rest'
import { CopyAsCurl } from '../../components/actions'
import { toast } from '../../components/toasts'
import { Card, EmptyState, ErrorState, SkeletonRows, Tag } from '../../components/ui'
import { TimeText } from '../../components/values'
import { useLive } from '../../live/store'
import { mutesOf, rulesOf } from './queries'
import s from './alerts.module.css'

export type NewMute = { service?: string; rule?: string; for: string; reason?: string }
export const muteCall = (m: NewMute) => ({ method: 'POST' as const, path: '/api/notify/mutes', body: m })
const endCall = (id: string) => ({ method: 'DELETE' as const, path: `/api/notify/mutes/${encodeURIComponent(id)}` })

function useRefresh() {
  const client = useQueryClient()
  return () => Promise.all([client.invalidateQueries({ queryKey: ['notify', 'mutes'] }), client.invalidateQueries({ queryKey: ['alerts'] })])
}

export function useMute() {
  const refresh = useRefresh()
  return useMutation({
    mutationFn: (m: NewMute) => send(muteCall(m)),
    onSuccess: (_, m) => toast.done('Muted', `${[m.rule, m.service].filter(Boolean).join(' of ')}, for ${m.for}`),
    onError: (e) => toast.failed('Nothing was muted', e),
    onSettled: refresh,
  })
}

function Form() {
  const services = useLive((l) => l.services)
  const rules = useQuery(rulesOf)
  const mute = useMute()
  const [service, setService] = useState('')
  const [rule, setRule] = useState('')
  const [time, setTime] = useState('1h')
  const [reason, setReason] = useState('')
  const wrong = (name: string) => (mute.error instanceof ApiError ? mute.error.fields.find((f) => f.loc.at(-1) === name)?.msg : undefined)
  const body: NewMute = { ...(service ? { service } : {}), ...(rule ? { rule } : {}), for: time, ...(reason ? { reason } : {}) }
  const submit = (e: FormEvent) => {
    e.preventDefault()
    mute.mutate(body, { onSuccess: () => setReason('') })
  }
  return (
    <form className={s.form} onSubmit={submit}>
      <NativeSelect size="xs" label="Service" value={service} error={wrong('service')} onChange={(e) => setService(e.currentTarget.value)}
        data={[{ value: '', label: 'any service' }, ...(services ?? []).map((x) => ({ value: x.name, label: x.display_name }))]} />
      <NativeSelect size="xs" label="Rule" value={rule} error={wrong('rule')} onChange={(e) => setRule(e.currentTarget.value)} data={[{ value: '', label: 'any rule' }, ...(rules.data?.rules ?? []).map((r) => r.name)]} />
      <NativeSelect size="xs" label="For" value={time} error={wrong('for')} onChange={(e) => setTime(e.currentTarget.value)}
        data={[{ value: '30m', label: '30 minutes' }, { value: '1h', label: 'an hour' }, { value: '8h', label: '8 hours' }, { value: '1d', label: 'a day' }, { value: '7d', label: 'a week' }]} />
      <TextInput className={s.grow} size="xs" label="Reason" value={reason} maxLength={500} error={wrong('reason')} onChange={(e) => setReason(e.currentTarget.value)} placeholder="for those who look later" />
      <span className={s.buttons}><Button size="xs" type="submit" loading={mute.isPending} disabled={!service && !rule}>Mute</Button><CopyAsCurl call={muteCall(body)} /></span>
    </form>
  )
}

export function Mutes() {
  const q = useQuery(mutesOf)
  const refresh = useRefresh()
  const end = useMutation({ mutationFn: (id: string) => send(endCall(id)), onSuccess: () => toast.done('The mute has ended'), onError: (e) => toast.failed('The mute goes on', e), onSettled: refresh })
  return (
    <>
      <Card title="Mute alerts"><Form /></Card>
      <Card title="In force" flush>
        {q.isError && !q.data ? <ErrorState error={q.error} what="Mutes could not be read" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={2} height={22} /> : q.data.mutes.length === 0 ? (
          <EmptyState icon="alerts" title="Nothing is muted">While you work on a service, mute its alerts here for a time.</EmptyState>
        ) : (
          <ul className={s.list} data-testid="mutes">
            {q.data.mutes.map((m) => (
              <li key={m.id}>
                <span className={s.grow}>
                  <b>{[m.rule || 'every rule', m.service ? `of ${m.service}` : ''].filter(Boolean).join(' ')}</b>
                  {m.reason ? <small>{m.reason}</small> : null}
                  <span className={s.facts}><span>by {m.by || 'somebody'}, <TimeText at={m.at} relative /></span><Tag>ends <TimeText at={m.until} relative /></Tag></span>
                </span>
                <CopyAsCurl call={endCall(m.id)} label="Copy end of the mute as curl" />
                <Button size="xs" variant="default" loading={end.isPending && end.variables === m.id} onClick={() => end.mutate(m.id)}>End</Button>
              </li>
            ))}
          </ul>
        )}
      </Card>
    </>
  )
}
