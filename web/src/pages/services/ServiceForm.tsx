// The form of a definition. The server checks: what it refuses stands at its field, in its words.
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Button, Checkbox, Group, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { api, ApiError, reasonOf, unwrap, type Schemas, type Service } from '../../api/client'
import { CopyAsCurl } from '../../components/actions'
import { faultOf, fieldsOf, patchOf, readRest, specOf, type Fields } from './form'
import { templatesQuery } from './queries'
import s from './services.module.css'

type Spec = Schemas['ServiceSpec']

export function ServiceForm({ old, onClose, onSaved }: { old?: Spec; onClose: () => void; onSaved: (service: Service) => void }) {
  const client = useQueryClient()
  const form = useRef<HTMLFormElement>(null)
  const [base, setBase] = useState<Partial<Spec>>(old ?? {}) // stays what it was when the form was opened: that is what changes are told from
  const [f, setF] = useState<Fields>(() => fieldsOf(old ?? {}))
  const templates = useQuery({ ...templatesQuery, enabled: !old })
  const spec = specOf(base, f)
  const { fault } = readRest(f.rest)
  const patch = old ? patchOf(base, spec) : {}
  const nothing = old !== undefined && Object.keys(patch).length === 0
  const save = useMutation({
    mutationFn: () => (old
      ? unwrap(api.PATCH('/api/services/{name}', { params: { path: { name: old.name } }, body: patch as Spec }))
      : unwrap(api.POST('/api/services', { body: spec }))),
    onSuccess: ({ service }) => {
      void client.invalidateQueries({ queryKey: ['service', service.name] })
      void client.invalidateQueries({ queryKey: ['services', 'graph'] })
      onSaved(service)
    },
  })
  const faults = save.error instanceof ApiError ? save.error.fields.map((e) => faultOf(e.loc, e.msg)) : []
  const wrong = (name: keyof Fields) => (name === 'rest' && fault) || faults.filter((x) => x.field === name).map((x) => x.text).join('; ') || undefined
  const elsewhere = !save.error ? '' : faults.length === 0 ? reasonOf(save.error) : faults.filter((x) => x.field === null).map((x) => x.text).join('; ')
  useEffect(() => { // to the first field that is refused
    if (save.error) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }, [save.error])

  useEffect(() => form.current?.querySelector<HTMLElement>('[data-autofocus]')?.focus(), []) // the dialog was there before its form

  const change = (name: keyof Fields, value: string | boolean) => setF((x) => ({ ...x, [name]: value }))
  const text = (name: Exclude<keyof Fields, 'autostart'>) => ({ value: f[name], error: wrong(name), onChange: (e: { currentTarget: { value: string } }) => change(name, e.currentTarget.value) })
  const choose = (name: string) => {
    const t = templates.data?.templates?.find((x) => x.name === name)
    const from: Partial<Spec> = t ? { ...t.spec, name: t.name } : {}
    setBase(from)
    setF(fieldsOf(from))
  }
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (!fault && !nothing) save.mutate()
  }
  const shell = /"shell"\s*:\s*true/.test(f.rest)
  return (
    <form ref={form} onSubmit={submit} className={s.form} noValidate aria-label={old ? 'Definition of the service' : 'New service'}>
      {old ? null : <NativeSelect label="Template" value={base.template ?? ''} onChange={(e) => choose(e.currentTarget.value)} data={[{ value: '', label: 'None: begin empty' }, ...(templates.data?.templates ?? []).map((t) => ({ value: t.name, label: `${t.display_name}: ${t.description}` }))]} />}
      <div className={s.two}>
        {old ? null : <TextInput label="Name" description="In addresses and commands" {...text('name')} data-autofocus />}
        <TextInput label="Shown as" description="For people" {...text('display_name')} data-autofocus={old ? true : undefined} />
        {old ? null : <NativeSelect label="Kind" description="Runs on, or runs and ends" value={f.type} error={wrong('type')} onChange={(e) => change('type', e.currentTarget.value)} data={[{ value: '', label: 'Service' }, { value: 'job', label: 'Job' }]} />}
        <TextInput label="Description" description="What it is" {...text('description')} />
      </div>
      <Textarea label="Command" description={shell ? 'One text for the shell' : 'One argument a line; the first is the program. An argument with line breaks is written as JSON text.'} autosize={false} rows={4} classNames={{ input: 'mono' }} spellCheck={false} {...text('command')} />
      <div className={s.two}>
        <TextInput label="Ports" description="Separated by commas" {...text('ports')} />
        <TextInput label="Tags" description="Separated by commas" {...text('tags')} />
      </div>
      <Textarea label="Environment" description={old ? 'NAME=value, one a line. ******** stands for a value that is not shown; left as it is, the value stays.' : 'NAME=value, one a line. Put secrets into secrets, not here.'} rows={3} classNames={{ input: 'mono' }} spellCheck={false} {...text('env')} />
      <TextInput label="Needs" description="Names of services that must run first. db:healthy waits until db is healthy, import:completed until import has ended well." {...text('depends_on')} />
      <div className={s.two}>
        <TextInput label="Folder" description="Where it runs" {...text('cwd')} />
        {f.type === 'job' ? (
          <TextInput label="Schedule" description="0 3 * * *, or every 10m, or a moment. Empty: by hand only" {...text('schedule')} />
        ) : (
          <NativeSelect label="After an exit" description="That nobody asked for" value={f.policy} error={wrong('policy')} onChange={(e) => change('policy', e.currentTarget.value)}
            data={[{ value: '', label: 'As usual: start again after a failure' }, { value: 'on-failure', label: 'Start again after a failure' }, { value: 'always', label: 'Start again always' }, { value: 'unless-stopped', label: 'Start again unless stopped' }, { value: 'no', label: 'Leave it stopped' }]} />
        )}
      </div>
      {f.type === 'job' ? null : <Checkbox label="Start it with the server" checked={f.autostart} onChange={(e) => change('autostart', e.currentTarget.checked)} />}
      <details open={wrong('rest') !== undefined || undefined} className={s.more}>
        <summary>All other settings{f.rest.trim() ? '' : ' (none)'}</summary>
        <Textarea label="Other settings" description='JSON: { "limits": { "memory": "1GiB" }, "probes": { "readiness": { "http": "http://127.0.0.1:8000/health" } } }' rows={f.rest ? 10 : 4} classNames={{ input: 'mono' }} spellCheck={false} {...text('rest')} />
      </details>
      {elsewhere ? <p role="alert" className={s.wrong}>{elsewhere}</p> : null}
      <Group justify="flex-end" gap="xs">
        {nothing ? <span className="muted">No change yet</span> : null}
        <CopyAsCurl call={old ? { method: 'PATCH', path: `/api/services/${encodeURIComponent(old.name)}`, body: patch } : { method: 'POST', path: '/api/services', body: spec }} />
        <Button variant="default" onClick={onClose}>Cancel</Button>
        <Button type="submit" loading={save.isPending} disabled={nothing}>{old ? 'Save' : 'Add'}</Button>
      </Group>
    </form>
  )
}
