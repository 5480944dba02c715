// The form for those whom the server does not know yet.
import { useState, type FormEvent } from 'react'
import { Button, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { reasonOf } from '../../api/client'
import { send } from '../../api/rest'
import iconURL from '../../icon.svg'
import { live } from '../../live/store'
import { meQuery, sessionCall, type Me } from './queries'
import s from './login.module.css'

export default function Login({ fault }: { fault?: unknown }) {
  const client = useQueryClient()
  const [username, setName] = useState('')
  const [password, setPassword] = useState('')
  const login = useMutation({
    mutationFn: () => send<Me>(sessionCall({ username, password })),
    onSuccess: async (me) => {
      setPassword('')
      client.setQueryData(meQuery.queryKey, me)
      live.hurry()
      await client.invalidateQueries()
    },
  })
  const error = login.error ?? (login.isIdle ? fault : null)
  const submit = (e: FormEvent) => {
    e.preventDefault()
    login.mutate()
  }
  return (
    <main className={s.page}>
      <form className={s.box} onSubmit={submit}>
        <img src={iconURL} alt="" width={36} height={36} />
        <h1>Control Center</h1>
        {error ? <p role="alert" className={s.error}>{reasonOf(error)}</p> : null}
        <TextInput label="Name" value={username} autoComplete="username" required autoFocus onChange={(e) => setName(e.currentTarget.value)} />
        <TextInput label="Password" type="password" value={password} autoComplete="current-password" required onChange={(e) => setPassword(e.currentTarget.value)} />
        <Button type="submit" loading={login.isPending} disabled={!username || !password}>Log in</Button>
        <p className={s.note}>On the machine itself, <code className="mono">controlcenter login</code> opens this page without a password.</p>
      </form>
    </main>
  )
}
