// Whether what lives for days in a tab grows: measured on the heap, after forced collections.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LogBuffer } from '../components/logLines'
import { takeFrame } from '../pages/service/follow'
import { POINTS } from './reduce'
import type { SocketLike } from './socket'
import { LiveStore } from './store'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Bytes in use: objects, and the arrays outside the heap that curves are made of. */
function used(): number {
  for (let i = 0; i < 4; i++) gc()
  const m = process.memoryUsage()
  return m.heapUsed + m.arrayBuffers
}

const DAY = 43_200 // frames of 2 s
const HOUR = DAY / 24
const ROOM = 300_000 // bytes: what compiling, inline caches and the like take; a day of anything kept is far more

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }))
afterEach(() => void vi.useRealTimers())

class FakeSocket implements SocketLike {
  static newest: FakeSocket
  onopen: (() => void) | null = null
  onmessage: ((e: { data: unknown }) => void) | null = null
  onclose: (() => void) | null = null
  onerror: (() => void) | null = null
  constructor() { FakeSocket.newest = this }
  close() {}
}

const system = (i: number) => JSON.stringify({
  type: 'system_stats', timestamp: new Date(Date.now()).toISOString(), cpu: { usage: i % 100, usage_percent: i % 100 }, memory: { used: i, total: DAY, percent: 50 },
  disk: { used: 1, total: 2, percent: 50 }, swap: { used: 0, total: 0 }, load: { load1: i / 7, load5: 1, load15: 1 },
  network: { receive_bytes_per_second: i * 3, transmit_bytes_per_second: null }, disk_io: { read_bytes_per_second: i, written_bytes_per_second: 2 },
  cores: [i % 100, i % 77, i % 50, i % 3], gpus: [], temperatures: [{ celsius: 40 + (i % 9) }],
})
// Every service crashes once in a while, so that lists change and events are asked for.
const services = (i: number) => JSON.stringify({ type: 'service_status', timestamp: '', services: Array.from({ length: 4 }, (_, n) => ({
  name: `service-${n}`, display_name: `Service ${n}`, state: (i + n) % 50 ? 'running' : 'backoff', generation: Math.floor((i + n) / 50), restarts: Math.floor((i + n) / 50), crashes: 0, run: `run-${Math.floor((i + n) / 50)}`,
  health: 'healthy', uptime_seconds: i, reason: (i + n) % 50 ? '' : `exit code ${i % 7}`, probes: { readiness: { well: true, ok: i, known: true, reason: '' } },
})) })

/** Bytes that 23 hours of frames leave behind in a store, once the first hour has filled its curves. */
function growth(listener: (store: LiveStore) => void): number {
  const store = new LiveStore({ socket: { url: '', make: () => new FakeSocket() }, history: () => new Promise(() => {}) })
  let asked = 0
  store.onEvents = () => void asked++
  const stop = store.subscribe(() => listener(store))
  store.start()
  FakeSocket.newest.onopen!()
  let early = 0
  for (let i = 0; i < DAY; i++) {
    vi.advanceTimersByTime(2000)
    FakeSocket.newest.onmessage!({ data: system(i) })
    FakeSocket.newest.onmessage!({ data: services(i) })
    if (i === 2 * HOUR) early = used()
  }
  const late = used()
  expect(store.curves.ring.length).toBe(POINTS)
  expect(asked).toBeGreaterThan(1000)
  stop()
  store.stop()
  return late - early
}

test('24 hours of frames leave nothing behind on the heap', () => {
  expect(growth(() => {})).toBeLessThan(ROOM)
})

test('the same measure sees a tab that keeps a number of each frame', () => {
  const kept: { at: number | null }[] = []
  expect(growth((store) => kept.push({ at: store.get().heard }))).toBeGreaterThan(ROOM)
  expect(kept.length).toBeGreaterThan(DAY)
})

test('a log that is followed for half a million lines keeps the newest and no more memory', () => {
  const buffer = new LogBuffer(5000)
  let next: number | null = 0
  let early = 0
  for (let frame = 0; frame < 1000; frame++) {
    const entries = Array.from({ length: 500 }, (_, n) => ({ time: new Date(1.7e12 + frame * 50).toISOString(), stream: 'stdout', text: `${frame * 500 + n} ${'x'.repeat(80)}`, pos: n }))
    next = takeFrame(buffer, JSON.stringify({ type: 'log', entries, next: (frame + 1) * 500 }), next)
    if (frame === 200) early = used()
  }
  expect(used() - early).toBeLessThan(ROOM + 1250 * 400) // a quarter more than the newest may wait to be let go
  expect(next).toBe(500_000)
  expect(buffer.length).toBeLessThanOrEqual(6250)
  expect(buffer.length + buffer.dropped).toBe(500_000)
  expect(buffer.all().at(-1)!.text).toMatch(/^499999 /)
})
