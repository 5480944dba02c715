// API keys: made here, shown once, revoked at once.
import { useState, type FormEvent } from 'react'
import { Button, NativeSelect, TextInput } from '@mantine/core'
import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError, type Schemas } from '../../api/client'
import { get as ask, send } from '../../api/rest'
import { ConfirmDialog, copyText, CopyAsCurl, type Question } from '../../components/actions'
import { Icon } from '../../components/icons'
import { toast } from '../../components/toasts'
import { Badge, Card, EmptyState, ErrorState, SkeletonRows, Tag } from '../../components/ui'
import { TimeText } from '../../components/values'
import s from './settings.module.css'

type Key = Schemas['KeyRow']
const keysQuery = queryOptions({ queryKey: ['keys'], queryFn: () => ask<Schemas['KeysBody']>('/api/keys') })

export function Keys() {
  const q = useQuery(keysQuery)
  const client = useQueryClient()
  const [name, setName] = useState('')
  const [role, setRole] = useState('viewer')
  const [expires, setExpires] = useState('90d')
  const [question, setQuestion] = useState<Question | null>(null)
  const refresh = () => client.invalidateQueries({ queryKey: ['keys'] })
  const call = { method: 'POST' as const, path: '/api/keys', body: { name, role, ...(expires ? { expires_in: expires } : {}) } }
  const make = useMutation({ mutationFn: () => send<Key & { key: string }>(call), onSuccess: () => setName(''), onError: (e) => toast.failed('The key was not made', e), onSettled: refresh })
  const wrong = (field: string) => (make.error instanceof ApiError ? make.error.fields.find((f) => f.loc.at(-1) === field)?.msg : undefined)
  const submit = (e: FormEvent) => {
    e.preventDefault()
    make.mutate()
  }
  const revoke = (k: Key) => {
    const gone = { method: 'DELETE' as const, path: `/api/keys/${encodeURIComponent(k.id)}` }
    setQuestion({ title: `Revoke ${k.name}?`, text: 'What uses it is refused from the next request on, and what it has open is closed.', confirm: 'Revoke', danger: true, call: gone,
      run: () => send(gone).then(() => toast.done('The key was revoked', k.name), (e) => toast.failed('The key was not revoked', e)).finally(refresh) })
  }
  return (
    <>
      <Card title="Make a key">
        <form className={s.form} onSubmit={submit}>
          <TextInput className={s.grow} size="xs" label="Name" placeholder="who or what uses it" value={name} maxLength={100} error={wrong('name')} onChange={(e) => setName(e.currentTarget.value)} />
          <NativeSelect size="xs" label="May" value={role} error={wrong('role')} onChange={(e) => setRole(e.currentTarget.value)} data={[{ value: 'viewer', label: 'look (viewer)' }, { value: 'operator', label: 'act (operator)' }, { value: 'admin', label: 'do all (admin)' }]} />
          <NativeSelect size="xs" label="Expires" value={expires} error={wrong('expires_in')} onChange={(e) => setExpires(e.currentTarget.value)} data={[{ value: '1d', label: 'in a day' }, { value: '30d', label: 'in 30 days' }, { value: '90d', label: 'in 90 days' }, { value: '365d', label: 'in a year' }, { value: '', label: 'never' }]} />
          <span className={s.buttons}><Button size="xs" type="submit" loading={make.isPending} disabled={name === ''}>Make the key</Button><CopyAsCurl call={call} /></span>
        </form>
        {make.data ? (
          <div className={s.secret} role="status">
            <span>This is the key of <b>{make.data.name}</b>. Nothing shows it again.</span>
            <code className="mono" data-testid="new-key">{make.data.key}</code>
            <Button size="xs" variant="default" leftSection={<Icon name="copy" size={14} />} onClick={() => copyText(make.data.key).then(() => toast.done('The key was copied'), (e) => toast.failed('The key was not copied', e))}>Copy</Button>
            <Button size="xs" variant="subtle" color="gray" onClick={() => make.reset()}>Done</Button>
          </div>
        ) : null}
      </Card>
      <Card title="Keys" flush>
        {q.isError && !q.data ? <ErrorState error={q.error} what="Keys cannot be shown" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={3} height={22} /> : q.data.keys.length === 0 ? <EmptyState icon="login" title="There are no keys">Programs on other machines, such as Prometheus, show one. This machine's owner needs none.</EmptyState> : (
          <ul className={s.list} data-testid="keys">
            {q.data.keys.map((k) => (
              <li key={k.id}>
                <span className={s.grow}><b>{k.name}</b><small>made <TimeText at={k.created_at} relative /> by {k.created_by}; {k.last_used ? <>used <TimeText at={k.last_used} relative /></> : 'never used'}; {k.expires_at ? <>expires <TimeText at={k.expires_at} relative /></> : 'never expires'}</small></span>
                {k.expired ? <Badge tone="bad">expired</Badge> : null}<Tag>{k.role}</Tag>
                <Button size="xs" variant="default" onClick={() => revoke(k)} aria-label={`Revoke ${k.name}`}>Revoke</Button>
              </li>
            ))}
          </ul>
        )}
      </Card>
      <ConfirmDialog question={question} onClose={() => setQuestion(null)} />
    </>
  )
}
