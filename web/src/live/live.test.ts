import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Service, SystemFrame } from '../api/client'
import { happened, loadHistory, mergeServices, newCurves, POINTS, pushFrame, type History } from './reduce'
import { Ring } from './ring'
import { backoff, LiveSocket, type SocketLike } from './socket'
import { LiveStore } from './store'

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }))
afterEach(() => void vi.useRealTimers())

const frame = (at: number, cpu = 10, cores = 4) => ({
  type: 'system_stats', timestamp: new Date(at).toISOString(), cpu: { usage: cpu, usage_percent: cpu }, memory: { used: 1, total: 2, percent: 50 },
  disk: { used: 1, total: 2, percent: 50 }, swap: { used: 0, total: 0 }, load: { load1: 1, load5: 1, load15: 1 },
  network: { receive_bytes_per_second: 5, transmit_bytes_per_second: null }, disk_io: { read_bytes_per_second: 1, written_bytes_per_second: 2 },
  cores: Array(cores).fill(cpu), gpus: [], temperatures: [],
}) as unknown as SystemFrame

const service = (name: string, change: Partial<Service> = {}) => ({ name, state: 'running', generation: 1, restarts: 0, crashes: 0, health: 'healthy', uptime_seconds: 1, ...change }) as Service

class FakeSocket implements SocketLike {
  static all: FakeSocket[] = []
  onopen: (() => void) | null = null
  onmessage: ((e: { data: unknown }) => void) | null = null
  onclose: (() => void) | null = null
  onerror: (() => void) | null = null
  closed = false
  constructor() { FakeSocket.all.push(this) }
  close() { this.closed = true }
}
beforeEach(() => void (FakeSocket.all = []))
const newest = () => FakeSocket.all.at(-1)!

test('a ring keeps the newest points, in order, in the memory it began with', () => {
  const r = new Ring(5, 2)
  const size = r.bytes
  for (let i = 0; i < 1234; i++) r.push([i, i % 3 === 0 ? null : i])
  expect([...r.column(0)]).toEqual([1229, 1230, 1231, 1232, 1233])
  expect(r.column(1)[1]).toBeNaN()
  expect(r.last(0)).toBe(1233)
  expect(r.bytes).toBe(size)
})

test('24 hours of frames take no more memory than one', () => {
  const store = new LiveStore({ socket: { url: '', make: () => new FakeSocket() }, history: () => new Promise(() => {}) })
  const stop = store.subscribe(() => {})
  store.start()
  newest().onopen!()
  const held = () => store.curves.ring.bytes + store.curves.cores.bytes + JSON.stringify(store.get()).length
  let early = 0
  for (let i = 0; i < 43_200; i++) {
    vi.advanceTimersByTime(2000)
    newest().onmessage!({ data: JSON.stringify(frame(Date.now(), 10)) })
    newest().onmessage!({ data: JSON.stringify({ type: 'service_status', timestamp: '', services: [service('a'), service('b')] }) })
    if (i === 10) early = held()
  }
  expect(held()).toBe(early)
  expect(store.curves.ring.length).toBe(POINTS)
  expect(FakeSocket.all.length).toBe(1)
  expect(vi.getTimerCount()).toBe(1) // the watchdog
  stop()
  store.stop()
  expect(vi.getTimerCount()).toBe(0)
})

test('waits double, have a cap and differ between clients', () => {
  expect([0, 1, 2, 3, 9, 99].map((n) => backoff(n, 500, 15_000, () => 1))).toEqual([500, 1000, 2000, 4000, 15_000, 15_000])
  expect(backoff(1, 500, 15_000, () => 0)).toBe(500)
})

test('a lost connection is told, and tried again until it speaks', () => {
  const told: string[] = []
  const s = new LiveSocket({ url: '', make: () => new FakeSocket(), random: () => 1 }, { open: () => told.push('open'), message: (m) => told.push(m), lost: () => told.push('lost') })
  s.start()
  newest().onopen!()
  newest().onmessage!({ data: 'a' })
  newest().onclose!()
  expect(told).toEqual(['open', 'a', 'lost'])
  for (const wait of [500, 1000, 2000]) {
    const before = FakeSocket.all.length
    vi.advanceTimersByTime(wait - 1)
    expect(FakeSocket.all.length).toBe(before)
    vi.advanceTimersByTime(1)
    expect(FakeSocket.all.length).toBe(before + 1)
    newest().onerror!()
  }
  vi.advanceTimersByTime(4000)
  newest().onmessage!({ data: 'b' })
  newest().onclose!()
  const before = FakeSocket.all.length
  vi.advanceTimersByTime(500) // it spoke: waits begin anew
  expect(FakeSocket.all.length).toBe(before + 1)
  s.stop()
  expect(vi.getTimerCount()).toBe(0)
})

test('a silent connection counts as lost, an old one is not heard', () => {
  const told: string[] = []
  const s = new LiveSocket({ url: '', make: () => new FakeSocket(), silence: 8000 }, { open() {}, message: (m) => told.push(m), lost: () => told.push('lost') })
  s.start()
  const first = newest()
  const hear = first.onmessage!
  hear({ data: 'a' })
  vi.advanceTimersByTime(7999)
  expect(told).toEqual(['a'])
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['a', 'lost'])
  expect(first.closed).toBe(true)
  s.hurry() // the tab is looked at: at once
  expect(FakeSocket.all.length).toBe(2)
  hear({ data: 'late' })
  expect(told).toEqual(['a', 'lost'])
  s.stop()
})

test('history and frames overlap without doubling points', () => {
  const c = newCurves()
  const t0 = Date.UTC(2026, 0, 1)
  pushFrame(c, frame(t0 + 6000))
  loadHistory(c, { timestamps: [t0, t0 + 2000, t0 + 4000, t0 + 6000], series: { cpu_percent: [1, 2, 3, 4] }, cores: [[1, 2, 3, 4]] } as unknown as History)
  pushFrame(c, frame(t0 + 6000))
  pushFrame(c, frame(t0 + 8000, 77))
  expect([...c.ring.column(1)]).toEqual([1, 2, 3, 4, 77])
  expect(c.ring.column(2)[0]).toBeNaN() // the history did not know it
  expect(c.cores.width).toBe(5) // the frame has four cores
  loadHistory(c, { timestamps: [t0 - 60_000], series: {}, cores: [] } as unknown as History) // older than what is here
  expect(c.ring.length).toBe(5)
})

test('a history that is too old by the time the socket is open is asked for again', async () => {
  const t0 = Date.UTC(2026, 0, 1)
  let asked = 0
  const history = () => {
    asked++
    return Promise.resolve({ timestamps: [t0 + 2_000 + (asked - 1) * 8_000], series: { cpu_percent: [asked] }, cores: [[asked]] } as unknown as History)
  }
  const store = new LiveStore({ socket: { url: '', make: () => new FakeSocket() }, history })
  store.start()
  newest().onopen!()
  newest().onmessage!({ data: JSON.stringify(frame(t0 + 10_000)) }) // before the history: the script came late
  for (let i = 0; i < 10; i++) await Promise.resolve()
  expect(asked).toBe(2)
  expect(store.curves.ring.column(1)[0]).toBe(2)
  store.stop()
})

test('services that did not change stay the same objects', () => {
  const old = [service('a'), service('b')]
  expect(mergeServices(old, [service('a', { uptime_seconds: 9 }), service('b')])).toBe(old)
  const fresh = mergeServices(old, [service('a'), service('b', { state: 'failed' })])
  expect(fresh[0]).toBe(old[0])
  expect(fresh[1]!.state).toBe('failed')
  expect(happened(old, fresh)).toBe(true)
  expect(happened(old, [service('a', { uptime_seconds: 4 }), service('b')])).toBe(false)
  expect(mergeServices(old, [service('a')])).toHaveLength(1)
})

test('the store says lost and since when, and keeps what it had', async () => {
  const store = new LiveStore({ socket: { url: '', make: () => new FakeSocket() }, history: () => Promise.reject(new Error('no')) })
  store.start()
  expect(store.get().connection).toBe('connecting')
  newest().onopen!()
  newest().onmessage!({ data: 'not json' })
  newest().onmessage!({ data: JSON.stringify(frame(Date.now(), 42)) })
  const heard = Date.now()
  expect(store.get()).toMatchObject({ connection: 'live', heard })
  vi.advanceTimersByTime(1000)
  newest().onclose!()
  expect(store.get()).toMatchObject({ connection: 'lost', heard })
  expect(store.get().system?.cpu.usage_percent).toBe(42)
  store.stop()
})

test('the history is asked for once at the start, again when that failed, and at each new connection', async () => {
  const sockets: FakeSocket[] = []
  let asked = 0, fails = 1
  const history = () => {
    asked++
    return fails-- > 0 ? Promise.reject(new Error('no')) : Promise.resolve({ timestamps: [], series: {}, cores: [] } as unknown as History)
  }
  const open = async () => {
    sockets[sockets.length - 1]!.onopen!()
    await vi.advanceTimersByTimeAsync(0)
  }
  const make = () => sockets[sockets.push(new FakeSocket()) - 1]!
  const store = new LiveStore({ socket: { url: '', make }, history })
  store.start()
  await open()
  expect(asked).toBe(2)
  const other = new LiveStore({ socket: { url: '', make }, history })
  other.start()
  await open()
  expect(asked).toBe(3)
  sockets[sockets.length - 1]!.onopen!() // a new connection of the same store
  await vi.advanceTimersByTimeAsync(0)
  expect(asked).toBe(4)
  const late = new LiveStore({ socket: { url: '', make, first: 500 }, history })
  late.start() // its first socket is refused
  await vi.advanceTimersByTimeAsync(0)
  sockets[sockets.length - 1]!.onclose!()
  await vi.advanceTimersByTimeAsync(1000)
  await open()
  expect(asked).toBe(6)
  late.stop()
  store.stop()
  other.stop()
})
