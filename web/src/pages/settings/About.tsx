// The whole state as one file, back and forth, and what runs here.
import { useRef, useState } from 'react'
import { Button } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { send } from '../../api/rest'
import { ConfirmDialog, CopyAsCurl, type Question } from '../../components/actions'
import { Facts } from '../../components/sections'
import { toast } from '../../components/toasts'
import { Card, ErrorState, SkeletonRows } from '../../components/ui'
import { Bytes, Since } from '../../components/values'
import { infoQuery } from '../../queries'
import s from './settings.module.css'

export function About() {
  const info = useQuery(infoQuery)
  const client = useQueryClient()
  const input = useRef<HTMLInputElement>(null)
  const [question, setQuestion] = useState<Question | null>(null)
  const reload = useMutation({ mutationFn: () => send<{ message: string }>({ method: 'POST', path: '/-/reload' }), onSuccess: (a) => { toast.done(a.message); void client.invalidateQueries() }, onError: (e) => toast.failed('The configuration was not read again', e) })
  const restore = (file: File) => setQuestion({
    title: 'Replace the whole state?', confirm: 'Replace it', danger: true,
    text: <>Keys, users, history and settings made here become those of <b>{file.name}</b> (<Bytes value={file.size} />). This cannot be taken back; download a backup first.</>,
    call: { method: 'POST', path: '/api/backup', file: file.name },
    run: () => send<{ message: string }>({ method: 'POST', path: '/api/backup', body: file }).then((a) => { toast.done('Restored', a.message); void client.invalidateQueries() }, (e) => toast.failed('The backup was not restored', e)),
  })
  const i = info.data
  return (
    <>
      <Card title="Backup">
        <p className={s.text}>One consistent file of the whole state, taken while the server runs. It holds digests of keys and passwords: keep it as safe as them.</p>
        <div className={s.buttons}>
          <Button size="xs" component="a" href="/api/backup" download>Download a backup</Button>
          <CopyAsCurl call={{ method: 'GET', path: '/api/backup', save: true }} label="Copy backup as curl" />
          <Button size="xs" variant="default" onClick={() => input.current?.click()}>Restore from a file</Button>
          <input ref={input} type="file" hidden aria-label="Backup to restore" onChange={(e) => { const file = e.currentTarget.files?.[0]; e.currentTarget.value = ''; if (file) restore(file) }} />
        </div>
      </Card>
      <Card title="Configuration file">
        <p className={s.text}>After a change of the file, have it read again. One with a fault is refused as a whole, and the old one stays in force.</p>
        <div className={s.buttons}><Button size="xs" variant="default" loading={reload.isPending} onClick={() => reload.mutate()}>Read it again</Button><CopyAsCurl call={{ method: 'POST', path: '/-/reload' }} label="Copy reload as curl" /></div>
      </Card>
      <Card title="About">
        {info.isError && !i ? <ErrorState error={info.error} what="The server is not known" retry={() => void info.refetch()} /> : !i ? <SkeletonRows rows={5} /> : (
          <Facts rows={[['Control Center', i.go_version ? `${i.version}, ${i.go_version}` : i.version], ['Machine', i.hostname], ['System', `${i.os}, ${i.arch}`], ['Up', i.boot_time ? <Since at={new Date(i.boot_time * 1000).toISOString()} /> : null], ['Interfaces', <><a href="/docs">API</a> · <a href="/openapi.json">OpenAPI</a> · <a href="/metrics">Metrics</a></>]]} />
        )}
      </Card>
      <ConfirmDialog question={question} onClose={() => setQuestion(null)} />
    </>
  )
}
