// Services, events and alerts in short.
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { Badge, Card, EmptyState, ErrorState, SkeletonRows, StatusBadge } from '../../components/ui'
import { Since, TimeText } from '../../components/values'
import { useLive } from '../../live/store'
import { built, href } from '../../pages'
import { alertsQuery, eventsQuery, type Alert } from '../../queries'
import s from './overview.module.css'

const RANK: Record<string, number> = { error: 0, starting: 1, stopping: 1, running: 2, unknown: 3, stopped: 4 }
const SHOWN = 8
const MOST_ALERTS = 4

export function Services() {
  const all = useLive((l) => l.services)
  const list = all?.filter((x) => x.type !== 'job')
  const sorted = list && [...list].sort((a, b) => (RANK[a.status] ?? 5) - (RANK[b.status] ?? 5) || (a.name < b.name ? -1 : 1))
  return (
    <Card title="Services" flush side={<Link href={href('services')}>All services</Link>}>
      {!sorted ? <SkeletonRows rows={4} /> : sorted.length === 0 ? (
        <EmptyState icon="services" title="No services yet">Add one with <code className="mono">controlcenter add NAME -- COMMAND</code>, or in the configuration file.</EmptyState>
      ) : (
        <ul className={s.list}>
          {sorted.slice(0, SHOWN).map((x) => (
            <li key={x.name}>
              <span className={s.grow}>
                {built('service') ? <Link className={s.name} href={href('service', { name: x.name })}>{x.display_name}</Link> : <span className={s.name}>{x.display_name}</span>}
                <span className={s.sub}>{x.reason || (x.status === 'running' ? <>up <Since at={x.since} /></> : x.description)}</span>
              </span>
              {x.health !== 'unknown' && x.status === 'running' && x.health !== 'healthy' ? <StatusBadge state={x.health} /> : null}
              <StatusBadge state={x.state} title={x.reason || undefined} />
            </li>
          ))}
          {sorted.length > SHOWN ? <li><Link href={href('services')}>{sorted.length - SHOWN} more</Link></li> : null}
        </ul>
      )}
    </Card>
  )
}

export function Events() {
  const q = useQuery(eventsQuery(30))
  const list = q.data?.events
  return (
    <Card title="Recent events" flush className={s.events}>
      {q.isError && !list ? <ErrorState error={q.error} what="Events could not be read" retry={q.refetch} /> : !list ? <SkeletonRows rows={6} /> : list.length === 0 ? (
        <EmptyState title="Nothing has happened yet">Starts, ends and crashes of services appear here.</EmptyState>
      ) : (
        <div className={s.scroll} tabIndex={0} role="region" aria-label="List of recent events"><ul className={s.list} data-testid="events">
          {list.map((e) => (
            <li key={e.id}>
              <span className={s.dot} data-type={e.type} aria-hidden />
              <span className={s.grow}>
                <span className={s.text}>{e.type === 'error' || e.type === 'warning' ? <span className="hidden-text">{e.type}: </span> : null}{e.title}</span>
                {e.description ? <span className={s.sub} title={e.description}>{e.description}</span> : null}
              </span>
              <span className={s.end}><TimeText at={e.timestamp} relative /></span>
            </li>
          ))}
        </ul></div>
      )}
    </Card>
  )
}

const WORST: string[] = ['critical', 'warning']
const rank = (a: Alert) => (WORST.indexOf(a.severity) + WORST.length + 1) % (WORST.length + 1)

/** The worst of each service, and of the machine each: the others say more of the same. */
export function worst(list: readonly Alert[]): Alert[] {
  const of = new Map<string, Alert>()
  for (const a of list) {
    const key = a.service || `${a.rule} ${a.summary}`
    const known = of.get(key)
    if (!known || rank(a) < rank(known)) of.set(key, a)
  }
  return [...of.values()].sort((a, b) => rank(a) - rank(b) || Date.parse(b.since) - Date.parse(a.since))
}

/** What fires now; nothing at all when nothing does. */
export function Alerts() {
  const q = useQuery({ ...alertsQuery, enabled: built('alerts') })
  const firing = q.data?.filter((a) => a.state === 'firing' && !a.muted) ?? []
  if (firing.length === 0) return null
  const shown = worst(firing).slice(0, MOST_ALERTS)
  return (
    <Card title="Alerts" flush side={built('alerts') ? <Link href={href('alerts')}>{firing.length > shown.length ? `All ${firing.length} alerts` : 'All alerts'}</Link> : null}>
      <ul className={`${s.list} ${s.alerts}`}>
        {shown.map((a) => (
          <li key={`${a.rule} ${a.service ?? ''}`}>
            <span className={s.severity}><Badge tone={a.severity === 'critical' ? 'bad' : 'warn'}>{a.severity}</Badge></span>
            <span className={s.grow}><span className={s.name}>{a.summary}</span>{a.description && !a.summary.includes(a.description) ? <span className={s.sub}>{a.description}</span> : null}</span>
            <span className={s.end}><TimeText at={a.since} relative /></span>
          </li>
        ))}
      </ul>
    </Card>
  )
}
