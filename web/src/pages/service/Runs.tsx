// The runs of a service or job: when, how long, how it ended and why, its last lines, its whole log.
import { useState } from 'react'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Button, Modal } from '@mantine/core'
import { api, unwrap, type Schemas } from '../../api/client'
import { CopyAsCurl } from '../../components/actions'
import { Icon } from '../../components/icons'
import { LogView } from '../../components/LogView'
import { Badge, EmptyState, ErrorState, Lines, SkeletonRows, type Tone } from '../../components/ui'
import { Bytes, Duration, Since, TimeText, usePhone } from '../../components/values'
import { linesOf, useLines } from './Logs'
import s from './service.module.css'

export type Run = Schemas['ServiceRun']
const TONES: Record<string, Tone> = { success: 'ok', failure: 'bad', running: 'busy', timeout: 'bad', stopped: 'idle', skipped: 'idle', killed: 'warn', unknown: 'idle', canceled: 'idle', cancelled: 'idle' }

export const ResultBadge = ({ result }: { result: string }) => <Badge tone={TONES[result] ?? (/fail|crash|error|oom/.test(result) ? 'bad' : 'idle')}>{result}</Badge>

export const ended = (r: Run) => (r.exit_code !== null ? `code ${r.exit_code}` : r.signal ? r.signal : '')

const runsQuery = (name: string) => ({
  queryKey: ['service', name, 'runs'],
  queryFn: ({ pageParam }: { pageParam: string | undefined }) => unwrap(api.GET('/api/services/{name}/runs', { params: { path: { name }, query: { limit: 30, before: pageParam } } })),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (p: Schemas['RunsBody']) => p.next ?? undefined,
  refetchInterval: 5_000,
})

const RUN_LOG = 'run-'

/** What leaves the address with the log of a run: it, and the filters of its lines. */
export const NO_RUN = { run: null, [`${RUN_LOG}find`]: null, [`${RUN_LOG}stream`]: null, [`${RUN_LOG}wrap`]: null }

export function RunLog({ name, run, onClose }: { name: string; run: string | null; onClose: () => void }) {
  const phone = usePhone()
  const path = `/api/services/${encodeURIComponent(name)}/runs/${encodeURIComponent(run ?? '')}/logs?lines=10000&format=text`
  const one = useQuery({ queryKey: ['service', name, 'run', run], enabled: run !== null, queryFn: () => unwrap(api.GET('/api/services/{name}/runs/{run}', { params: { path: { name, run: run! } } })), refetchInterval: (q) => (q.state.data?.finished_at ? false : 2_000) })
  const q = useQuery({
    queryKey: ['service', name, 'run', run, 'log'], enabled: run !== null,
    queryFn: () => unwrap(api.GET('/api/services/{name}/runs/{run}/logs', { params: { path: { name, run: run! }, query: { lines: 10_000 } } })).then(linesOf),
    refetchInterval: () => (one.data?.finished_at ? false : 2_000),
  })
  const buffer = useLines(q.data?.entries)
  return (
    <Modal opened={run !== null} onClose={onClose} fullScreen={phone} size="72rem" title={`Log of a run of ${name}`} closeButtonProps={{ 'aria-label': 'Close' }}>
      {one.data ? (
        <p className={s.runHead}>
          <ResultBadge result={one.data.result} /> <span>began <TimeText at={one.data.started_at} /></span>
          <span>{one.data.finished_at ? <Duration seconds={one.data.duration_seconds} /> : <Since at={one.data.started_at} />}</span>
          {one.data.finished_at ? <span>{ended(one.data)}</span> : null}
          <span className="muted">{one.data.trigger} by {one.data.actor}{one.data.reason ? `: ${one.data.reason}` : ''}</span>
        </p>
      ) : null}
      {q.isError ? <ErrorState error={q.error} what="The log of this run could not be read" retry={q.refetch} /> : !q.data ? <SkeletonRows rows={10} /> : (
        <LogView at={RUN_LOG} label={`Log of run ${run}`} buffer={buffer} version={buffer.version} height={phone ? '70dvh' : '60dvh'}
          empty={buffer.length > 0 ? undefined : <EmptyState icon="logs" title="This run wrote nothing">{q.data.message}</EmptyState>}
          side={<><Button size="xs" variant="subtle" color="gray" component="a" href={`${path}&download=true`} leftSection={<Icon name="down" size={14} />}>download</Button><CopyAsCurl call={{ method: 'GET', path }} /></>} />
      )}
    </Modal>
  )
}

function Row({ run: r, open }: { run: Run; open: () => void }) {
  const [more, setMore] = useState(false)
  const lines = r.lines ?? []
  const cpu = r.usage.user_seconds + r.usage.system_seconds
  return (
    <li className={s.run}>
      <div className={s.runTop}>
        <ResultBadge result={r.result} />
        <TimeText at={r.started_at} />
        <span className="num muted">{r.finished_at ? <>ran <Duration seconds={r.duration_seconds} /></> : <>for <Since at={r.started_at} /></>}</span>
        {r.finished_at && ended(r) ? <span className="mono">{ended(r)}</span> : null}
        <span className={s.why} title={r.reason}>{r.reason && r.reason !== `exit ${ended(r)}` ? r.reason : ''}</span>
        <span className={s.runSide}>
          {cpu > 0 ? <span className="muted num" title="Most memory it held, where that is known, and processor time">{r.usage.max_rss_bytes > 0 ? <>peak <Bytes value={r.usage.max_rss_bytes} />, </> : null}<Duration seconds={cpu} /> CPU</span> : null}
          <span className="muted">{r.trigger}{r.actor && r.actor !== r.trigger ? ` by ${r.actor}` : ''}</span>
          {lines.length > 0 ? <Button size="compact-xs" variant="subtle" color="gray" aria-expanded={more} onClick={() => setMore(!more)}>last lines</Button> : null}
          <Button size="compact-xs" variant="default" onClick={open} aria-label={`Log of the run that began ${r.started_at}`}>log</Button>
        </span>
      </div>
      {more ? <Lines lines={lines} /> : null}
    </li>
  )
}

export function Runs({ name, onOpen, empty }: { name: string; onOpen: (run: string) => void; empty: string }) {
  const q = useInfiniteQuery(runsQuery(name))
  const list = q.data?.pages.flatMap((p) => p.runs ?? [])
  if (q.isError && !list) return <ErrorState error={q.error} what="The runs could not be read" retry={q.refetch} />
  if (!list) return <SkeletonRows rows={6} height={20} />
  if (list.length === 0) return <EmptyState icon="inbox" title="No runs yet">{empty}</EmptyState>
  return (
    <>
      <ul className={s.runs} aria-label={`Runs of ${name}`}>{list.map((r) => <Row key={r.id} run={r} open={() => onOpen(r.id)} />)}</ul>
      {q.hasNextPage ? <div className={s.more}><Button size="xs" variant="default" loading={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>Older runs</Button></div> : null}
    </>
  )
}
