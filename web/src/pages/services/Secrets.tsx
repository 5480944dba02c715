// The secrets of a service: whether each has a value, and a place to give it one. No value is ever shown.
import { useState, type FormEvent } from 'react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Button, PasswordInput } from '@mantine/core'
import '@mantine/core/styles/PasswordInput.css'
import { reasonOf } from '../../api/client'
import { send } from '../../api/rest'
import { CurlMenu, type Call, type NamedCall } from '../../components/actions'
import { toast } from '../../components/toasts'
import { Badge } from '../../components/ui'
import s from './services.module.css'

const callOf = (service: string, key: string, value?: string): Call => {
  const path = `/api/services/${encodeURIComponent(service)}/secrets/${encodeURIComponent(key)}`
  return value === undefined ? { method: 'DELETE', path } : { method: 'PUT', path, body: { value }, secret: true }
}

function Secret({ service, name, set }: { service: string; name: string; set: boolean }) {
  const client = useQueryClient()
  const [value, setValue] = useState('')
  const save = useMutation({
    mutationFn: (given: string | undefined) => send<{ message: string }>(callOf(service, name, given)),
    onSuccess: (answer) => {
      setValue('')
      toast.done(answer.message)
      void client.invalidateQueries({ queryKey: ['service', service] })
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    save.mutate(value)
  }
  const calls: NamedCall[] = [['setting', callOf(service, name, value)], ...(set ? [['forgetting', callOf(service, name)] as const] : [])]
  return (
    <form className={s.secret} onSubmit={submit}>
      <PasswordInput size="xs" label={<span className="mono">{name}</span>} autoComplete="off" value={value} onChange={(e) => setValue(e.currentTarget.value)} error={save.error ? reasonOf(save.error) : undefined}
        placeholder={set ? 'has a value; a new one replaces it' : 'has no value'} visibilityToggleButtonProps={{ 'aria-label': `Show what is typed for ${name}` }} />
      {set ? <Badge tone="ok" plain>set</Badge> : <Badge tone="warn" plain>not set</Badge>}
      <Button size="xs" variant="default" type="submit" disabled={value === ''} loading={save.isPending && save.variables !== undefined} aria-label={`Set ${name}`}>Set</Button>
      {set ? <Button size="xs" variant="subtle" color="red" loading={save.isPending && save.variables === undefined} aria-label={`Forget ${name}`} onClick={() => save.mutate(undefined)}>Forget</Button> : null}
      <CurlMenu label={`Copy an action for ${name} as curl`} calls={calls} />
    </form>
  )
}

export function Secrets({ service, secrets }: { service: string; secrets: Record<string, boolean> }) {
  const names = Object.keys(secrets).sort()
  if (names.length === 0) return null
  return (
    <section className={s.secrets} aria-label="Secrets">
      <h3>Secrets</h3>
      {names.map((n) => <Secret key={n} service={service} name={n} set={secrets[n]!} />)}
    </section>
  )
}
