// Processor and memory of each service, now and over the last quarter of an hour, which the server remembers: asked for while a
// page shows them, each time from the newest point that is known here.
import { useEffect, useReducer } from 'react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { api, unwrap, type Schemas } from '../../api/client'
import { averages } from '../../live/averages'
import { Ring } from '../../live/ring'

const SPAN = 900 // seconds shown
const STEP = 30 // seconds to a point: no more than the curve is wide, no less than the server's slowest pace
const POINTS = SPAN / 5 // of the server's fastest pace

export type Usage = { cpu: number[]; memory: number[]; now: Schemas['ServiceLoad'] | undefined }

/** The past of services, as it arrives in pieces that may overlap. */
export class UsageHistory {
  private readonly rings = new Map<string, Ring>()
  private newest = 0 // unix ms

  /** From when on the server is to be asked. */
  get since(): string {
    return this.newest === 0 ? `${SPAN}` : new Date(this.newest + 1).toISOString()
  }

  take(history: Schemas['ServicesUsageHistory']) {
    const times = history.timestamps ?? []
    const services = history.services ?? {}
    for (const name of this.rings.keys()) if (!(name in services)) this.rings.delete(name) // for long without a process, or gone
    times.forEach((t, i) => {
      if (t <= this.newest) return
      for (const [name, curve] of Object.entries(services)) {
        let ring = this.rings.get(name)
        if (!ring) this.rings.set(name, (ring = new Ring(POINTS, 3)))
        ring.push([t / 1000, curve.cpu_percent?.[i], curve.memory?.[i]])
      }
    })
    this.newest = Math.max(this.newest, times[times.length - 1] ?? 0)
  }

  /** A curve of means, oldest first; NaN where the service had no process. */
  curve(name: string, of: 'cpu' | 'memory'): number[] {
    const ring = this.rings.get(name)
    return ring ? averages(ring.column(0), ring.column(of === 'cpu' ? 1 : 2), SPAN, STEP) : []
  }
}

const past = new UsageHistory()

const usageQuery = queryOptions({
  queryKey: ['services', 'usage'],
  queryFn: () => unwrap(api.GET('/api/services/usage', { params: { query: { since: past.since } } })),
  refetchInterval: 5_000,
})

/** The usage of a service by name; the component is drawn again with each reading. */
export function useServiceUsage(): (name: string) => Usage {
  const q = useQuery(usageQuery)
  const [, draw] = useReducer((n: number) => n + 1, 0)
  useEffect(() => {
    if (q.data?.history) {
      past.take(q.data.history)
      draw()
    }
  }, [q.data])
  return (name) => ({ cpu: past.curve(name, 'cpu'), memory: past.curve(name, 'memory'), now: q.data?.services?.[name] })
}
