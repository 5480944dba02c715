// One service: how it is, what it writes, how its runs ended, what it is made of, and the buttons to change it.
import { lazy, Suspense, type KeyboardEvent } from 'react'
import { useQuery } from '@tanstack/react-query'
import { Button } from '@mantine/core'
import { Link, useParams } from 'wouter'
import { api, ApiError, unwrap } from '../../api/client'
import { ConfirmDialog } from '../../components/actions'
import { useAddress } from '../../components/address'
import { Sparkline } from '../../components/LiveChart'
import { Badge, Card, EmptyState, ErrorState, Lines, Page, Skeleton, SkeletonRows, Stat, StatusBadge, type Tone } from '../../components/ui'
import { Since, TimeText } from '../../components/values'
import { bytes, bytesExact, number, percent, percentExact } from '../../format'
import { useLive } from '../../live/store'
import { href } from '../../pages'
import { usePending } from '../services/actions'
import { up, useAsk } from '../services/ask'
import { serviceQuery } from '../services/queries'
import { useServiceUsage } from '../services/usage'
import { useAdmin } from '../login/queries'
import { Buttons } from './Buttons'
import { Facts } from './Facts'
import { Logs } from './Logs'
import { NO_RUN, RunLog, Runs } from './Runs'
import s from './service.module.css'

const EditService = lazy(() => import('../services/EditService'))

const TABS = { logs: 'Logs', runs: 'Runs', events: 'Events', about: 'Definition' } as const
type Tab = keyof typeof TABS
const EVENT_TONES: Record<string, Tone> = { success: 'ok', warning: 'warn', error: 'bad', info: 'idle' }

export function Tabs<T extends string>({ tabs, now, set, label }: { tabs: Record<T, string>; now: T; set: (t: T) => void; label: string }) {
  const ids = Object.keys(tabs) as T[]
  const onKey = (e: KeyboardEvent<HTMLDivElement>) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key]
    if (!step) return
    const to = ids[(ids.indexOf(now) + step + ids.length) % ids.length]!
    set(to)
    e.currentTarget.querySelector<HTMLElement>(`#tab-${to}`)?.focus()
  }
  return (
    <div className={s.tabs} role="tablist" aria-label={label} onKeyDown={onKey}>
      {ids.map((t) => <button key={t} id={`tab-${t}`} type="button" role="tab" className={s.tab} aria-selected={t === now} aria-controls="tab-panel" tabIndex={t === now ? 0 : -1} onClick={() => set(t)}>{tabs[t]}</button>)}
    </div>
  )
}

function Events({ name }: { name: string }) {
  const q = useQuery({ queryKey: ['events', 'service', name], queryFn: () => unwrap(api.GET('/api/services/{name}/events', { params: { path: { name }, query: { limit: 100 } } })), refetchInterval: 10_000 })
  const list = q.data?.events
  if (q.isError && !list) return <ErrorState error={q.error} what="Events could not be read" retry={q.refetch} />
  if (!list) return <SkeletonRows rows={6} />
  if (list.length === 0) return <EmptyState icon="inbox" title="Nothing has happened yet">Starts, stops, crashes and changes of this service are listed here.</EmptyState>
  return (
    <ul className={s.events} aria-label={`Events of ${name}`}>
      {list.map((e) => (
        <li key={e.id}>
          <TimeText at={e.timestamp} />
          <span className={s.eventText}><span>{e.title}</span>{e.description && e.description !== e.title ? <small>{e.description}</small> : null}</span>
          <Badge tone={EVENT_TONES[e.severity] ?? 'idle'} plain>{e.kind.replace(/^service\./, '')}</Badge>
          {e.actor ? <span className="muted">{e.actor}</span> : null}
        </li>
      ))}
    </ul>
  )
}

export default function ServicePage() {
  const { name: asked = '' } = useParams<{ name: string }>()
  const q = useQuery(serviceQuery(asked))
  const all = useLive((l) => l.services)
  const name = q.data?.name ?? asked
  const x = all?.find((o) => o.name === name) ?? q.data
  const usage = useServiceUsage()
  const pending = usePending()
  const admin = useAdmin()
  const { ask, question, setQuestion } = useAsk(all)
  const { search, set: setMany } = useAddress()

  const tab: Tab = (search.get('tab') ?? '') in TABS ? (search.get('tab') as Tab) : 'logs'
  const set = (key: string, value: string | null) => setMany({ [key]: value })

  if (q.isError && !x) {
    const gone = q.error instanceof ApiError && q.error.status === 404
    return (
      <Page title={asked}>
        <Card>{gone ? <EmptyState icon="services" title="There is no service of this name" action={<Link href={href('services')}>All services</Link>}>{q.error.message}</EmptyState> : <ErrorState error={q.error} what="The service could not be read" retry={q.refetch} />}</Card>
      </Page>
    )
  }
  if (!x) {
    return (
      <Page title={asked}>
        <div className={s.stats}>{['State', 'CPU', 'Memory', 'Restarts', 'Last exit'].map((l) => <Stat key={l} label={l} value={<Skeleton width={90} height={24} />} note={<Skeleton width={120} height={12} />} />)}</div>
        <Card flush label="Log"><SkeletonRows rows={12} /></Card>
      </Page>
    )
  }

  const u = usage(x.name)
  const busy = pending(x.name)
  const last = x.last_exit
  const reason = x.reason || Object.values(x.probes ?? {}).find((p) => p.known && !p.well)?.reason
  const trouble = x.status === 'error' || x.state === 'backoff' || x.health === 'unhealthy'
  return (
    <Page title={x.display_name} note={x.description || x.name} side={<Buttons service={x} busy={busy} ask={ask} question={setQuestion} onEdit={() => set('edit', '1')} />}>
      <div className={s.stats} data-testid="service-numbers">
        <Stat label="State" value={busy && up(x) !== (busy === 'starting') ? <Badge tone="busy">{busy}</Badge> : <StatusBadge state={x.state} />}
          note={x.status === 'running' ? <>up <Since at={x.since} />{x.health !== 'unknown' ? `, ${x.health}` : ''}</> : x.waiting ? `waits for ${x.waiting}` : <>since <TimeText at={x.since} relative /></>} />
        <Stat label="CPU" value={percent(u.now?.cpu_percent)} title={percentExact(u.now?.cpu_percent)} note={u.now ? `${u.now.processes} process${u.now.processes === 1 ? '' : 'es'}, ${u.now.threads} thread${u.now.threads === 1 ? '' : 's'}` : 'of one core'} spark={<Sparkline values={u.cpu} />} />
        <Stat label="Memory" value={bytes(u.now?.memory)} title={bytesExact(u.now?.memory)} note={x.pid ? `process ${x.pid}` : 'not running'} spark={<Sparkline values={u.memory} color="var(--c2)" />} />
        <Stat label="Restarts" value={number(x.restarts)} note={`${number(x.starts)} start${x.starts === 1 ? '' : 's'}, ${number(x.crashes)} crash${x.crashes === 1 ? '' : 'es'}`} />
        <Stat label="Last exit" value={last ? (last.code !== null ? `code ${last.code}` : last.signal || last.result) : '–'} title={last?.reason} note={last ? <TimeText at={last.at} relative /> : 'it never ended'} />
      </div>
      {trouble || x.restart_needed || x.log_error ? (
        <div className={s.banner} data-tone={x.status === 'error' ? 'bad' : 'warn'} role="status">
          <span>
            {x.status === 'error' ? <b>Failed. </b> : x.state === 'backoff' ? <b>Waiting to restart. </b> : x.health === 'unhealthy' ? <b>Not healthy. </b> : null}
            {trouble ? reason : null}
            {x.retry_at ? <>{trouble && reason ? '. ' : ''}Next try <TimeText at={x.retry_at} relative />.</> : null}
            {x.log_error ? <> <b>Its log cannot be written.</b> {x.log_error}</> : null}
            {x.restart_needed ? <> <b>Restart needed.</b> What runs has the definition from before the last change.</> : null}
          </span>
          {x.restart_needed && up(x) ? <Button className={s.bannerButton} size="xs" variant="default" loading={busy === 'restarting'} disabled={busy !== null} onClick={() => ask(x, 'restart')}>Restart now</Button> : null}
          {trouble && last ? <LastLines name={x.name} run={last.run} /> : null}
        </div>
      ) : null}
      <Card flush label={TABS[tab]}>
        <Tabs label="Parts of the service" tabs={TABS} now={tab} set={(t) => set('tab', t === 'logs' ? null : t)} />
        <div role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`}>
          {tab === 'logs' ? <Logs name={x.name} search={search} set={set} /> : null}
          {tab === 'runs' ? <Runs name={x.name} onOpen={(run) => set('run', run)} empty="Start it: each run is kept here with its exit code and last lines." /> : null}
          {tab === 'events' ? <Events name={x.name} /> : null}
          {tab === 'about' ? (q.data ? <Facts service={x} spec={q.data.effective} definition={q.data.definition} secrets={q.data.secrets} /> : q.isError ? <ErrorState error={q.error} what="The definition could not be read" retry={q.refetch} /> : <SkeletonRows rows={8} />) : null}
        </div>
      </Card>
      <RunLog name={x.name} run={search.get('run')} onClose={() => setMany(NO_RUN)} />
      <ConfirmDialog question={question} onClose={() => setQuestion(null)} />
      {admin && search.get('edit') ? <Suspense><EditService name={x.name} title={x.display_name} onClose={() => set('edit', null)} /></Suspense> : null}
    </Page>
  )
}

function LastLines({ name, run }: { name: string; run: string }) {
  const q = useQuery({ queryKey: ['service', name, 'run', run], queryFn: () => unwrap(api.GET('/api/services/{name}/runs/{run}', { params: { path: { name, run } } })), staleTime: 60_000 })
  return <Lines lines={q.data?.lines?.slice(-8) ?? []} />
}
