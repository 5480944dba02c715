// The machine and its services at a glance: what it does now, the last quarter of an hour, what needs a look.
import { useCallback } from 'react'
import { useQuery, type QueryClient } from '@tanstack/react-query'
import { LiveChart, Sparkline, type Series } from '../../components/LiveChart'
import { Page, Skeleton, Stat } from '../../components/ui'
import { Bytes, Rate } from '../../components/values'
import { bytes, bytesExact, number, percent, percentExact, rate } from '../../format'
import { averages } from '../../live/averages'
import { COLUMNS, type Column } from '../../live/reduce'
import { useCurves, useLive } from '../../live/store'
import { alertsQuery, busiestQuery, eventsQuery, statsQuery } from '../../queries'
import { Cores } from './Cores'
import { Alerts, Events, Services } from './lists'
import { Busiest, Disks, Network, Sensors } from './parts'
import s from './overview.module.css'

const SPARK = 300 // seconds in the small curve of a number
const STEP = 10 // seconds to a point of it: it is no wider than twice as many pixels

const index = (c: Column) => COLUMNS.indexOf(c) + 1

function useColumns(...names: Column[]) {
  const { version } = useCurves()
  const curves = useCurves()
  const key = names.join()
  const data = useCallback(() => [curves.ring.column(0), ...key.split(',').map((n) => curves.ring.column(index(n as Column)))], [curves, key])
  return { data, version }
}

function Curve({ title, columns, series, format, axis, ...rest }: {
  title: string; columns: Column[]; series: Series[]; format: (v: number | null) => string; axis?: (v: number) => string; max?: number; least?: number; binary?: boolean
}) {
  const { data, version } = useColumns(...columns)
  return <LiveChart title={title} series={series} data={data} version={version} format={format} axis={axis} {...rest} />
}

// As many digits as a narrow card has room for.
const short = (v: number | null) => number(v, (v ?? 0) < 10 ? 2 : (v ?? 0) < 100 ? 1 : 0)

function Numbers() {
  const system = useLive((l) => l.system)
  const services = useLive((l) => l.services)
  const { ring } = useCurves()
  const spark = (c: Column, max?: number) => <Sparkline values={averages(ring.column(0), ring.column(index(c)), SPARK, STEP)} max={max} />
  if (!system) {
    return <div className={s.stats}>{['CPU', 'Memory', 'Disk', 'Network', 'Load', 'Services'].map((label) => <Stat key={label} label={label} value={<Skeleton width={84} height={24} />} note={<Skeleton width={120} height={12} />} />)}</div>
  }
  const list = (services ?? []).filter((x) => x.type !== 'job')
  const running = list.filter((x) => x.status === 'running').length
  const failed = list.filter((x) => x.status === 'error').length
  return (
    <div className={s.stats} data-testid="numbers">
      <Stat label="CPU" value={percent(system.cpu.usage_percent)} title={percentExact(system.cpu.usage_percent)} note={`${system.cores?.length ?? 0} cores`} spark={spark('cpu', 100)} />
      <Stat label="Memory" value={percent(system.memory.percent)} title={bytesExact(system.memory.used)} note={<><Bytes value={system.memory.used} /> of <Bytes value={system.memory.total} /></>} spark={spark('memory', system.memory.total ?? undefined)} />
      <Stat label="Disk" value={percent(system.disk.percent)} title={bytesExact(system.disk.used)} note={<><Bytes value={system.disk.used} /> of <Bytes value={system.disk.total} /></>} />
      <Stat label="Network" value={rate(system.network.receive_bytes_per_second)} title={`${bytesExact(system.network.receive_bytes_per_second)} per second`} note={<>in, <Rate value={system.network.transmit_bytes_per_second} /> out</>} spark={spark('rx')} />
      <Stat label="Load" value={number(system.load.load1, 2)} title="Over the last minute" note={`5 min ${short(system.load.load5)}, 15 min ${short(system.load.load15)}`} spark={spark('load')} />
      <Stat label="Services" value={services ? `${running} of ${list.length}` : '–'} note={failed ? `running, ${failed} failed` : 'running'} />
    </div>
  )
}

/** Asks for what the first picture shows. */
export const ahead = (c: QueryClient) => Promise.all([c.prefetchQuery(statsQuery), c.prefetchQuery(busiestQuery), c.prefetchQuery(eventsQuery(30)), c.prefetchQuery(alertsQuery)])

export default function Overview() {
  const stats = useQuery(statsQuery)
  const memory = useLive((l) => l.system?.memory.total ?? null)
  const swap = useLive((l) => (l.system?.swap.total ?? 0) > 0)
  const gpu = useLive((l) => (l.system?.gpus?.length ?? 0) > 0)
  const warm = useLive((l) => (l.system?.temperatures?.length ?? 0) > 0)
  return (
    <Page title="Overview">
      <Alerts />
      <Numbers />
      <div className={s.columns}>
        <div className={`${s.side} ${s.left}`}>
          <div className={s.charts}>
            <Curve title="CPU" columns={['cpu']} series={[{ label: 'busy', color: '--c1' }]} format={(v) => percent(v)} axis={(v) => percent(v, 0)} max={100} />
            <Curve title="Memory" columns={swap ? ['memory', 'swap'] : ['memory']} series={[{ label: 'used', color: '--c2' as const }, ...(swap ? [{ label: 'swap', color: '--c3' as const }] : [])]} format={bytes} max={memory ?? undefined} binary />
            <Curve title="Network" columns={['rx', 'tx']} series={[{ label: 'in', color: '--c1' }, { label: 'out', color: '--c3' }]} format={rate} least={1024} binary />
            <Curve title="Disk I/O" columns={['read', 'written']} series={[{ label: 'read', color: '--c2' }, { label: 'written', color: '--c4' }]} format={rate} least={1024} binary />
            {warm ? <Curve title="Temperature" columns={['temperature']} series={[{ label: 'warmest', color: '--c3' }]} format={(v) => (v === null ? '–' : `${v.toFixed(1)} °C`)} axis={(v) => `${v} °C`} least={60} /> : null}
            {gpu ? <Curve title="GPU" columns={['gpu']} series={[{ label: 'busiest', color: '--c4' }]} format={(v) => percent(v)} axis={(v) => percent(v, 0)} max={100} /> : null}
          </div>
          <div className={s.pair}>
            <div className={s.side}>
              <Cores />
              <Network stats={stats} />
            </div>
            <div className={s.side}>
              <Disks stats={stats} />
              <Sensors stats={stats} />
              <Busiest />
            </div>
          </div>
        </div>
        <div className={s.aside}>
          <Services />
          <Events />
        </div>
      </div>
    </Page>
  )
}

