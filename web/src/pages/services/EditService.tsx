// Adds a service, from nothing or a template, or changes one. The server checks: what it refuses stands at its field, in its words.
import { useState, type FormEvent } from 'react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Button, Checkbox, Group, Modal, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { useLocation } from 'wouter'
import { api, ApiError, unwrap, type Schemas } from '../../api/client'
import { CopyAsCurl } from '../../components/actions'
import { toast } from '../../components/toasts'
import { usePhone } from '../../components/values'
import { href } from '../../pages'
import { fieldsOf, specOf, type Fields } from './form'
import s from './services.module.css'

type Spec = Schemas['ServiceSpec']
const templatesQuery = { queryKey: ['services', 'templates'], queryFn: () => unwrap(api.GET('/api/services/templates')), staleTime: 300_000 }

function Form({ old, onClose }: { old?: Spec; onClose: () => void }) {
  const client = useQueryClient()
  const [, go] = useLocation()
  const [base, setBase] = useState<Partial<Spec>>(old ?? {})
  const [f, setF] = useState<Fields>(() => fieldsOf(old ?? {}))
  const templates = useQuery({ ...templatesQuery, enabled: !old })
  const spec = specOf(base, f)
  const save = useMutation({
    mutationFn: () => (old
      ? unwrap(api.PUT('/api/services/{name}', { params: { path: { name: old.name } }, body: spec }))
      : unwrap(api.POST('/api/services', { body: spec }))),
    onSuccess: (answer) => {
      toast.done(old ? `${answer.service.display_name} was changed` : `${answer.service.display_name} was added`, answer.service.restart_needed ? 'Restart it to use the new definition.' : undefined)
      void client.invalidateQueries({ queryKey: ['service', answer.service.name] })
      onClose()
      if (!old) go(href('service', { name: answer.service.name }))
    },
  })
  const fields = save.error instanceof ApiError ? save.error.fields : []
  const wrong = (name: keyof Fields) => fields.filter((e) => e.loc[1] === name).map((e) => `${e.loc.slice(2).join('.')} ${e.msg}`.trim()).join('; ') || undefined
  const elsewhere = save.error && !fields.some((e) => (e.loc[1] ?? '') in f) ? (save.error as Error).message : fields.filter((e) => e.loc[1] && !(e.loc[1] in f)).map((e) => `${e.loc.slice(1).join('.')}: ${e.msg}`).join('; ')
  const text = (name: Exclude<keyof Fields, 'autostart'>) => ({ value: f[name], error: wrong(name), onChange: (e: { currentTarget: { value: string } }) => { const { value } = e.currentTarget; setF((x) => ({ ...x, [name]: value })) } })
  const choose = (name: string) => {
    const t = templates.data?.templates?.find((x) => x.name === name)
    const from: Partial<Spec> = t ? { ...t.spec, name: t.name } : {}
    setBase(from)
    setF(fieldsOf(from))
  }
  const submit = (e: FormEvent) => {
    e.preventDefault()
    save.mutate()
  }
  return (
    <form onSubmit={submit} className={s.form} noValidate>
      {old ? null : <NativeSelect label="Template" value={base.template ?? ''} onChange={(e) => choose(e.currentTarget.value)} data={[{ value: '', label: 'None: begin empty' }, ...(templates.data?.templates ?? []).map((t) => ({ value: t.name, label: `${t.display_name}: ${t.description}` }))]} />}
      <div className={s.two}>
        <TextInput label="Name" description="In addresses and commands" {...text('name')} disabled={old !== undefined} data-autofocus />
        <TextInput label="Shown as" description="For people" {...text('display_name')} />
      </div>
      <TextInput label="Description" {...text('description')} />
      <Textarea label="Command" description="One argument a line; the first is the program" autosize={false} rows={4} classNames={{ input: 'mono' }} {...text('command')} />
      <TextInput label="Folder" description="Where it runs" {...text('cwd')} />
      <div className={s.two}>
        <TextInput label="Ports" description="Separated by commas" {...text('ports')} />
        <TextInput label="Tags" description="Separated by commas" {...text('tags')} />
      </div>
      <Textarea label="Environment" description="NAME=value, one a line. Put secrets into secrets, not here." rows={3} classNames={{ input: 'mono' }} {...text('env')} />
      <TextInput label="Needs" description="Names of services that must run first" {...text('depends_on')} />
      <Checkbox label="Start it with the server" checked={f.autostart} onChange={(e) => { const { checked } = e.currentTarget; setF((x) => ({ ...x, autostart: checked })) }} />
      {elsewhere ? <p role="alert" className={s.wrong}>{elsewhere}</p> : null}
      <Group justify="flex-end" gap="xs">
        <CopyAsCurl call={{ method: old ? 'PUT' : 'POST', path: old ? `/api/services/${encodeURIComponent(old.name)}` : '/api/services', body: spec }} />
        <Button variant="default" onClick={onClose}>Cancel</Button>
        <Button type="submit" loading={save.isPending}>{old ? 'Save' : 'Add'}</Button>
      </Group>
    </form>
  )
}

export default function EditService({ opened, old, onClose }: { opened: boolean; old?: Spec; onClose: () => void }) {
  const phone = usePhone()
  return (
    <Modal opened={opened} onClose={onClose} fullScreen={phone} size="lg" title={old ? `Change ${old.display_name || old.name}` : 'Add a service'} closeButtonProps={{ 'aria-label': 'Close' }}>
      <Form old={old} onClose={onClose} />
    </Modal>
  )
}
