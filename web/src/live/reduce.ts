// What the live view knows, as a pure function of what arrives. Nothing in it grows with time: curves are rings of fixed
// length, everything else is the newest frame.
import type { Schemas, Service, SystemFrame } from '../api/client'
import { Ring } from './ring'

export type History = Schemas['HistoryBody']

export const POINTS = 1800 // of 2 s: an hour

/** Columns of the system ring, after the time (unix seconds, as uPlot wants it). */
export const COLUMNS = ['cpu', 'memory', 'swap', 'rx', 'tx', 'read', 'written', 'load', 'temperature', 'gpu'] as const
export type Column = (typeof COLUMNS)[number]

const FROM_HISTORY: Record<Column, string> = {
  cpu: 'cpu_percent', memory: 'memory_used_bytes', swap: 'swap_used_bytes', rx: 'network_receive_bytes_per_second',
  tx: 'network_transmit_bytes_per_second', read: 'disk_read_bytes_per_second', written: 'disk_written_bytes_per_second',
  load: 'load1', temperature: 'temperature_celsius_max', gpu: 'gpu_utilization_percent_max',
}

export type Curves = { ring: Ring; cores: Ring; version: number }

export function newCurves(): Curves {
  return { ring: new Ring(POINTS, COLUMNS.length + 1), cores: new Ring(POINTS, 1), version: 0 }
}

const most = (list: (number | null)[]) => {
  const known = list.filter((v): v is number => v !== null)
  return known.length ? Math.max(...known) : null
}

/** Appends a frame. Frames that are not newer than the last point (history and socket overlap) change nothing. */
export function pushFrame(c: Curves, f: SystemFrame) {
  const t = Date.parse(f.timestamp) / 1000
  if (!(t > c.ring.last(0) + 0.5) && c.ring.length > 0) return
  c.ring.push([
    t, f.cpu.usage_percent, f.memory.used, f.swap.used, f.network.receive_bytes_per_second, f.network.transmit_bytes_per_second,
    f.disk_io.read_bytes_per_second, f.disk_io.written_bytes_per_second, f.load.load1,
    most((f.temperatures ?? []).map((s) => s.celsius)), most((f.gpus ?? []).map((g) => g.utilization_percent)),
  ])
  const cores = f.cores ?? []
  if (c.cores.width !== cores.length + 1) c.cores = new Ring(POINTS, cores.length + 1)
  c.cores.push([t, ...cores])
  c.version++
}

/** Replaces the curves by the server's own memory: at the start, and after the connection was lost. Says whether it was new enough. */
export function loadHistory(c: Curves, h: History): boolean {
  const times = h.timestamps ?? []
  const newest = c.ring.length ? c.ring.last(0) : 0
  if (times.length > 0 && times[times.length - 1]! / 1000 < newest - 4) return false // older than what is here
  if (times.length === 0) return true // the server has just begun
  const columns = COLUMNS.map((name) => (h.series ?? {})[FROM_HISTORY[name]] ?? [])
  c.ring.clear()
  times.slice(-POINTS).forEach((t, i, kept) => {
    const at = times.length - kept.length + i
    c.ring.push([t / 1000, ...columns.map((col) => col?.[at])])
  })
  const cores = h.cores ?? []
  c.cores = new Ring(POINTS, cores.length + 1)
  times.slice(-POINTS).forEach((t, i, kept) => {
    const at = times.length - kept.length + i
    c.cores.push([t / 1000, ...cores.map((col) => col?.[at])])
  })
  c.version++
  return true
}

/** Keeps the identity of services that did not change in what is shown, so that their rows are not drawn again. */
export function mergeServices(old: readonly Service[], fresh: readonly Service[]): readonly Service[] {
  const before = new Map(old.map((s) => [s.name, s]))
  let same = old.length === fresh.length
  const out = fresh.map((s, i) => {
    const b = before.get(s.name)
    const kept = b && equal(b, s) ? b : s
    if (kept !== old[i]) same = false
    return kept
  })
  return same ? old : out
}

// uptime_seconds counts by itself from `since`; probes say when they last ran. Neither is a change.
function equal(a: Service, b: Service): boolean {
  const strip = (s: Service) => JSON.stringify({ ...s, uptime_seconds: 0, probes: Object.entries(s.probes ?? {}).map(([k, p]) => [k, p.well, p.ok, p.reason]) })
  return strip(a) === strip(b)
}

/** Whether something happened between two lists that the server has written an event about. */
export function happened(old: readonly Service[], fresh: readonly Service[]): boolean {
  if (old === fresh) return false
  const key = (s: Service) => `${s.name} ${s.state} ${s.generation} ${s.run ?? ''} ${s.restarts} ${s.crashes} ${s.health}`
  return old.map(key).join('\n') !== fresh.map(key).join('\n')
}
