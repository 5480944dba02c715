// Processor and memory of each service over the last minutes: asked for while a page shows them, kept in rings.
import { useEffect, useReducer } from 'react'
import { useQuery } from '@tanstack/react-query'
import type { Schemas } from '../../api/client'
import { Ring } from '../../live/ring'
import { usageQuery } from '../../queries'

const POINTS = 60 // of 5 s: five minutes
export type Usage = { cpu: Float64Array; memory: Float64Array; now: Schemas['ServiceLoad'] | undefined }

const NONE = new Float64Array()
const rings = new Map<string, Ring>()
let taken = '' // time of the reading that was taken last

export function take(body: Schemas['ServicesUsageBody']) {
  if (body.timestamp === taken) return
  taken = body.timestamp
  const services = body.services ?? {}
  for (const name of rings.keys()) if (!(name in services)) rings.delete(name) // stopped or gone
  for (const [name, u] of Object.entries(services)) {
    let ring = rings.get(name)
    if (!ring) rings.set(name, (ring = new Ring(POINTS, 2)))
    ring.push([u.cpu_percent, u.memory])
  }
}

/** The usage of a service by name; the component is drawn again with each reading. */
export function useServiceUsage(): (name: string) => Usage {
  const q = useQuery(usageQuery)
  const [, draw] = useReducer((n: number) => n + 1, 0)
  useEffect(() => {
    if (q.data) {
      take(q.data)
      draw()
    }
  }, [q.data])
  return (name) => {
    const ring = rings.get(name)
    return { cpu: ring?.column(0) ?? NONE, memory: ring?.column(1) ?? NONE, now: q.data?.services?.[name] }
  }
}
