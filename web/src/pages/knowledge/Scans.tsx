// Scans: their progress as it is told, their faults by file, and the buttons to start and end one.
import { useEffect, useState } from 'react'
import { Button, Menu } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { send } from '../../api/rest'
import { useAddress } from '../../components/address'
import { ConfirmDialog, CopyAsCurl, CurlItems, type Question } from '../../components/actions'
import { DataTable, type Column } from '../../components/DataTable'
import { Icon } from '../../components/icons'
import { toast } from '../../components/toasts'
import { Badge, Card, EmptyState, ErrorState, Lines, Meter, SkeletonRows, StatusBadge } from '../../components/ui'
import { Duration, TimeText } from '../../components/values'
import { number, utc, when } from '../../format'
import { heldOf, jobsOf, runs, withJob, type ScanJob } from './queries'
import s from './knowledge.module.css'

/** Takes what the server tells of scans into the list of them. */
function useProgress() {
  const client = useQueryClient()
  useEffect(() => {
    const feed = new EventSource('/api/knowledge/events')
    feed.addEventListener('knowledge_scan', (e) => {
      const { job } = JSON.parse((e as MessageEvent<string>).data) as { job?: ScanJob }
      if (!job) return
      client.setQueryData(jobsOf.queryKey, (old) => old && { ...old, jobs: withJob(old.jobs, job) })
      if (!runs(job)) void client.invalidateQueries({ queryKey: ['kb'] })
    })
    return () => feed.close()
  }, [client])
}

const scanCall = (force: boolean) => ({ method: 'POST' as const, path: '/api/knowledge/scan', body: force ? { force_rescan: true } : {} })
const cancelCall = (id: string) => ({ method: 'POST' as const, path: `/api/knowledge/jobs/${encodeURIComponent(id)}/cancel` })
const confirmCall = { method: 'POST' as const, path: '/api/knowledge/held/confirm' }

const took = (j: ScanJob) => (j.finished_at ? (Date.parse(j.finished_at) - Date.parse(j.started_at)) / 1000 : null)

function Running({ job: j, cancel, busy }: { job: ScanJob; cancel: () => void; busy: boolean }) {
  const share = j.files_todo > 0 ? Math.min(100, (100 * j.files_parsed) / j.files_todo) : 0
  const title = j.kind === 'command' ? 'The outside tool runs' : j.status === 'queued' ? 'A scan waits' : 'A scan runs'
  return (
    <Card title={title} label={`${title}, since ${utc(new Date(j.started_at))}`} side={<><CopyAsCurl call={cancelCall(j.id)} label="Copy cancel as curl" /><Button size="xs" variant="default" loading={busy} onClick={cancel}>Cancel</Button></>}>
      <div className={s.progress} data-testid="scan-progress">
        <Meter percent={share} label="Files read" warn={101} bad={101} />
        <span className={s.origin}>
          <span className="num">{number(j.files_parsed)} of {number(j.files_todo)} read</span><span className="num">{number(j.files_seen)} seen</span><span className="num">{number(j.files_unchanged)} unchanged</span>
          {j.errors_total ? <span className="num">{number(j.errors_total)} faults</span> : null}
          {j.files_per_second ? <span className="num">{number(j.files_per_second)} a second</span> : null}
          {j.eta_seconds !== null ? <span><Duration seconds={j.eta_seconds} /> left</span> : null}
        </span>
      </div>
    </Card>
  )
}

function Detail({ job: j, close }: { job: ScanJob; close: () => void }) {
  return (
    <Card title={`Scan of ${when(new Date(j.started_at), new Date())}`} side={<><span className="muted num" title="When it began">{utc(new Date(j.started_at))}</span><StatusBadge state={j.status} /><Button size="xs" variant="default" onClick={close}>Close</Button></>} flush>
      <div className={s.detail}>
        {j.error ? <p className={s.bad}>{j.error}</p> : null}
        <span className={s.origin}>
          <span>{j.kind}, by {j.actor || j.trigger}</span><span className="num">{number(j.files_seen)} seen</span><span className="num">{number(j.files_indexed)} indexed</span>
          <span className="num">{number(j.files_deleted)} deleted</span><span className="num">{number(j.files_rejected)} rejected</span><span className="num">{number(j.insights_extracted)} insights</span>
        </span>
        {j.errors.length === 0 ? <p className="muted">No file was at fault.</p> : (
          <div className={s.scroll} tabIndex={0} role="region" aria-label="Faults by file">
            <table className={s.table}>
              <thead><tr><th scope="col">File</th><th scope="col">Reason</th><th scope="col">What was wrong</th></tr></thead>
              <tbody>{j.errors.map((e, i) => <tr key={i}><td className="mono">{e.path}</td><td>{e.reason}</td><td>{e.detail}</td></tr>)}</tbody>
            </table>
          </div>
        )}
        {j.errors_total > j.errors.length ? <p className="muted">{number(j.errors_total - j.errors.length)} more faults are not kept.</p> : null}
        <Lines lines={j.log} />
      </div>
    </Card>
  )
}

export function Scans() {
  useProgress()
  const { get, set } = useAddress()
  const client = useQueryClient()
  const q = useQuery(jobsOf)
  const held = useQuery(heldOf)
  const [question, setQuestion] = useState<Question | null>(null)
  const start = useMutation({
    mutationFn: (force: boolean) => send<{ message: string; already_running: boolean; job: ScanJob }>(scanCall(force)),
    onSuccess: (a) => {
      client.setQueryData(jobsOf.queryKey, (old) => old && { ...old, jobs: withJob(old.jobs, a.job) })
      toast.done(a.already_running ? 'A scan runs already' : 'The scan was started')
    },
    onError: (e) => toast.failed('The scan was not started', e),
  })
  const cancel = useMutation({
    mutationFn: (id: string) => send<{ message: string }>(cancelCall(id)),
    onSuccess: (a) => toast.done('Cancelled', a.message),
    onError: (e) => toast.failed('The scan was not cancelled', e),
    onSettled: () => client.invalidateQueries({ queryKey: jobsOf.queryKey }),
  })
  const confirm = () => send(confirmCall).then(() => client.invalidateQueries({ queryKey: ['kb'] }), (e) => toast.failed('The deletions were not made', e))

  const jobs = q.data?.jobs ?? []
  const chosen = jobs.find((j) => j.id === get('job'))
  const columns: Column<ScanJob>[] = [
    { id: 'started', header: 'Started', cell: (j) => <TimeText at={j.started_at} />, sort: (j) => -Date.parse(j.started_at) },
    { id: 'status', header: 'State', cell: (j) => <StatusBadge state={j.status} title={j.error || undefined} />, sort: (j) => j.status },
    { id: 'kind', header: 'Kind', cell: (j) => <>{j.kind}<span className="muted"> by {j.actor || j.trigger}</span></> },
    { id: 'took', header: 'Took', right: true, cell: (j) => <Duration seconds={took(j)} />, sort: took },
    { id: 'seen', header: 'Seen', right: true, cell: (j) => number(j.files_seen), sort: (j) => j.files_seen },
    { id: 'indexed', header: 'Indexed', right: true, cell: (j) => number(j.files_indexed), sort: (j) => j.files_indexed },
    { id: 'faults', header: 'Faults', right: true, cell: (j) => (j.errors_total ? <Badge tone="bad" plain>{number(j.errors_total)}</Badge> : '0'), sort: (j) => j.errors_total },
    { id: 'open', header: '', label: 'Details', width: 90, cell: (j) => <Button size="compact-xs" variant="default" aria-expanded={j.id === chosen?.id} onClick={() => set({ job: j.id === chosen?.id ? null : j.id })}>Details</Button> },
  ]
  const active = jobs.filter(runs)
  return (
    <>
      {held.data && held.data.count > 0 ? (
        <Card title="Deletions wait for you" side={<Button size="xs" color="red" onClick={() => setQuestion({ title: 'Delete the records?', text: 'Many files vanished at once. When they are really gone, their records are deleted; nothing on disk is touched.', confirm: 'Delete them', danger: true, call: confirmCall, run: confirm })}>They are gone</Button>}>
          More than half of the files of {held.data.held.map((h) => h.root).join(', ')} vanished at once. Their records stay until somebody confirms it: a drive may only be missing.
        </Card>
      ) : null}
      {active.map((j) => <Running key={j.id} job={j} busy={cancel.isPending} cancel={() => cancel.mutate(j.id)} />)}
      {chosen ? <Detail job={chosen} close={() => set({ job: null })} /> : null}
      <Card title="Scans" flush side={
        <>
          <Button size="xs" leftSection={<Icon name="restart" size={14} />} loading={start.isPending} onClick={() => start.mutate(false)}>Scan now</Button>
          <Menu position="bottom-end" width={240}>
            <Menu.Target><Button size="xs" variant="default" aria-label="More about scans"><Icon name="more" size={16} /></Button></Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={() => start.mutate(true)}>Read all files again</Menu.Item>
              <CurlItems calls={[['scan', scanCall(false)], ['reading all again', scanCall(true)]]} />
            </Menu.Dropdown>
          </Menu>
        </>
      }>
        {q.isError && !q.data ? <ErrorState error={q.error} what="Scans could not be read" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={5} height={20} /> : (
          <DataTable label="List of scans" rows={jobs} columns={columns} rowKey={(j) => j.id} onOpen={(j) => set({ job: j.id })}
            card={(j) => <div className={s.progress}><span className={s.hitHead}><TimeText at={j.started_at} /><StatusBadge state={j.status} /><span className={s.end}>{columns.at(-1)!.cell(j)}</span></span><span className={s.origin}><span>{j.kind}</span><span className="num">{number(j.files_indexed)} of {number(j.files_seen)} indexed</span>{j.errors_total ? <span className="num">{number(j.errors_total)} faults</span> : null}</span></div>}
            empty={<EmptyState icon="knowledge" title="No scan has been made yet">Name a folder under <code className="mono">knowledge.roots</code>, then start one here.</EmptyState>} />
        )}
      </Card>
      <ConfirmDialog question={question} onClose={() => setQuestion(null)} />
    </>
  )
}
