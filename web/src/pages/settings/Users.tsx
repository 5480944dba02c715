// Users with a password.
import { useState, type FormEvent } from 'react'
import { Button, NativeSelect, TextInput } from '@mantine/core'
import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError, type Schemas } from '../../api/client'
import { get as ask, send } from '../../api/rest'
import { ConfirmDialog, CopyAsCurl, type Call, type Question } from '../../components/actions'
import { toast } from '../../components/toasts'
import { Badge, Card, EmptyState, ErrorState, SkeletonRows, Tag } from '../../components/ui'
import { TimeText } from '../../components/values'
import s from './settings.module.css'

type User = Schemas['UserRow']
const usersQuery = queryOptions({ queryKey: ['users'], queryFn: () => ask<Schemas['UsersBody']>('/api/auth/users') })

export function Users() {
  const q = useQuery(usersQuery)
  const client = useQueryClient()
  const [username, setName] = useState('')
  const [password, setPassword] = useState('')
  const [role, setRole] = useState('viewer')
  const [question, setQuestion] = useState<Question | null>(null)
  const refresh = () => client.invalidateQueries({ queryKey: ['users'] })
  const call: Call = { method: 'POST', path: '/api/auth/register', body: { username, password, role }, secret: true }
  const make = useMutation({
    mutationFn: () => send(call),
    onSuccess: () => { toast.done('The user was made', username); setName(''); setPassword('') },
    onError: (e) => toast.failed('The user was not made', e), onSettled: refresh,
  })
  const change = useMutation({ mutationFn: (call: Call) => send(call), onError: (e) => toast.failed('The user was not changed', e), onSettled: refresh })
  const wrong = (field: string) => (make.error instanceof ApiError ? make.error.fields.find((f) => f.loc.at(-1) === field)?.msg : undefined)
  const at = (u: User) => `/api/auth/users/${u.id}`
  const switchCall = (u: User): Call => ({ method: 'PUT', path: at(u), body: { is_active: !u.is_active } })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    make.mutate()
  }
  const remove = (u: User) => setQuestion({ title: `Delete ${u.username}?`, text: 'The sessions and tokens of the user end at once.', confirm: 'Delete', danger: true, call: { method: 'DELETE', path: at(u) }, run: () => change.mutateAsync({ method: 'DELETE', path: at(u) }).catch(() => {}) })
  return (
    <>
      <Card title="Make a user">
        <form className={s.form} onSubmit={submit} autoComplete="off">
          <TextInput className={s.grow} size="xs" label="Name" value={username} maxLength={100} error={wrong('username')} autoComplete="off" onChange={(e) => setName(e.currentTarget.value)} />
          <TextInput className={s.grow} size="xs" label="Password" type="password" value={password} maxLength={256} error={wrong('password')} autoComplete="new-password" onChange={(e) => setPassword(e.currentTarget.value)} />
          <NativeSelect size="xs" label="May" value={role} onChange={(e) => setRole(e.currentTarget.value)} data={[{ value: 'viewer', label: 'look (viewer)' }, { value: 'operator', label: 'act (operator)' }, { value: 'admin', label: 'do all (admin)' }]} />
          <span className={s.buttons}><Button size="xs" type="submit" loading={make.isPending} disabled={!username || !password}>Make the user</Button><CopyAsCurl call={call} /></span>
        </form>
      </Card>
      <Card title="Users" flush>
        {q.isError && !q.data ? <ErrorState error={q.error} what="Users cannot be shown" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={3} height={22} /> : q.data.users.length === 0 ? <EmptyState icon="login" title="There are no users">The owner of this machine needs none; others log in with one.</EmptyState> : (
          <ul className={s.list} data-testid="users">
            {q.data.users.map((u) => (
              <li key={u.id}>
                <span className={s.grow}><b>{u.username}</b><small>{[u.full_name, u.email].filter(Boolean).join(', ')} {u.last_login ? <>last here <TimeText at={u.last_login} relative /></> : 'was never here'}</small></span>
                {u.is_active ? null : <Badge tone="idle">inactive</Badge>}<Tag>{u.access}</Tag>
                <CopyAsCurl call={switchCall(u)} label={`Copy ${u.is_active ? 'deactivation' : 'activation'} of ${u.username} as curl`} />
                <Button size="xs" variant="default" disabled={change.isPending} aria-label={`${u.is_active ? 'Deactivate' : 'Activate'} ${u.username}`} onClick={() => change.mutate(switchCall(u))}>{u.is_active ? 'Deactivate' : 'Activate'}</Button>
                <Button size="xs" variant="default" onClick={() => remove(u)} aria-label={`Delete ${u.username}`}>Delete</Button>
              </li>
            ))}
          </ul>
        )}
      </Card>
      <ConfirmDialog question={question} onClose={() => setQuestion(null)} />
    </>
  )
}
