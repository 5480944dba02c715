// The parts of the machine: file systems, interfaces, sensors, graphics processors and the busiest processes.
import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { Link } from 'wouter'
import { type Schemas } from '../../api/client'
import { Card, EmptyState, ErrorState, Meter, SkeletonRows } from '../../components/ui'
import { Bytes, Percent, Rate } from '../../components/values'
import { href } from '../../pages'
import { busiestQuery } from '../../queries'
import s from './overview.module.css'

type Stats = UseQueryResult<Schemas['StatsBody']>

/** Each file system once: a bind mount of a device says the same as its first place, which has the shortest name. */
export function once<F extends { device: string; mountpoint: string }>(list: readonly F[]): F[] {
  const first = new Map<string, F>()
  for (const f of list) {
    const key = f.device.startsWith('/') ? f.device : f.mountpoint
    const known = first.get(key)
    if (!known || f.mountpoint.length < known.mountpoint.length) first.set(key, f)
  }
  return list.filter((f) => [...first.values()].includes(f))
}

export function Disks({ stats }: { stats: Stats }) {
  const all = stats.data?.filesystems?.filter((f) => (f.total ?? 0) > 1 << 20)
  const list = all && once(all)
  return (
    <Card title="File systems">
      {stats.isError && !list ? <ErrorState error={stats.error} what="File systems are not known" retry={stats.refetch} /> : !list ? <SkeletonRows rows={2} /> : list.length === 0 ? <EmptyState title="No file systems with files of their own" /> : (
        <div className={s.rows}>
          {list.map((f) => (
            <div key={f.mountpoint}>
              <div className={s.rowHead}><b title={`${f.device}, ${f.fstype}`}>{f.mountpoint}</b>{f.hung ? <span className="muted">does not answer</span> : null}<span className="muted num"><Bytes value={f.used} /> of <Bytes value={f.total} /> · <Percent value={f.percent} digits={0} /></span></div>
              <Meter percent={f.percent} label={`${f.mountpoint} used`} />
            </div>
          ))}
        </div>
      )}
    </Card>
  )
}

export function Network({ stats }: { stats: Stats }) {
  const list = stats.data?.network.interfaces?.filter((i) => i.up)
  return (
    <Card title="Interfaces">
      {stats.isError && !list ? <ErrorState error={stats.error} what="Interfaces are not known" retry={stats.refetch} /> : !list ? <SkeletonRows rows={2} /> : (
        <table className={s.table}>
          <thead><tr><th scope="col">Name</th><th scope="col">In</th><th scope="col">Out</th><th scope="col">Received</th><th scope="col">Sent</th></tr></thead>
          <tbody>
            {list.map((i) => (
              <tr key={i.device}><td>{i.device}</td><td><Rate value={i.receive_bytes_per_second} /></td><td><Rate value={i.transmit_bytes_per_second} /></td><td><Bytes value={i.receive_bytes} /></td><td><Bytes value={i.transmit_bytes} /></td></tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  )
}

/** Sensors and graphics processors, on machines that have some. */
export function Sensors({ stats }: { stats: Stats }) {
  const warm = stats.data?.temperatures ?? []
  const gpus = stats.data?.gpus ?? []
  return (
    <>
      {gpus.length > 0 ? (
        <Card title="Graphics processors">
          <div className={s.rows}>
            {gpus.map((g) => (
              <div key={g.id}>
                <div className={s.rowHead}><b>{g.name}</b><span className="muted num"><Percent value={g.utilization_percent} digits={0} /> · <Bytes value={g.memory_used} /> of <Bytes value={g.memory_total} /></span></div>
                <Meter percent={g.utilization_percent} label={`${g.name} busy`} warn={101} bad={101} />
              </div>
            ))}
          </div>
        </Card>
      ) : null}
      {warm.length > 0 ? (
        <Card title="Temperatures">
          <table className={s.table}><tbody>{warm.map((t, i) => <tr key={i}><td>{t.chip} {t.label || t.sensor}</td><td>{t.celsius === null ? '–' : `${t.celsius} °C`}</td></tr>)}</tbody></table>
        </Card>
      ) : null}
    </>
  )
}

/** What takes the processor now. */
export function Busiest() {
  const q = useQuery(busiestQuery)
  const list = q.data?.processes
  return (
    <Card title="Busiest processes" side={<Link href={href('processes')}>All</Link>}>
      {q.isError && !list ? <ErrorState error={q.error} what="Processes are not known" retry={q.refetch} /> : !list ? <SkeletonRows rows={4} /> : (
        <table className={s.table}>
          <thead><tr><th scope="col">Name</th><th scope="col">CPU</th><th scope="col">Memory</th></tr></thead>
          <tbody>{list.map((p) => <tr key={`${p.pid} ${p.start_ticks}`}><td className={s.cut} title={p.cmdline || p.name}><Link href={`${href('processes')}?q=${p.pid}`}>{p.name} <span className="muted num">{p.service || p.pid}</span></Link></td><td><Percent value={p.cpu_percent} note="100 % is one core" /></td><td><Bytes value={p.memory} /></td></tr>)}</tbody>
        </table>
      )}
    </Card>
  )
}
