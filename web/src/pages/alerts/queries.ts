// What the alerts page asks for.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { get } from '../../api/rest'

export type AlertRow = {
  rule: string; severity: string; subject: string; service: string | null; state: 'pending' | 'firing' | 'resolved'; since: string; last: string; ended_at: string | null
  count: number; value: number | null; summary: string; description: string; muted: boolean; told_at: string | null
}
export type Rule = { name: string; enabled: boolean; severity: string; for_seconds: number; limit: number | null; unit: string; summary: string; description: string }
export type Channel = { name: string; kind: string; url: string; min_severity: string; services: string[] | null; rules: string[] | null; resolved: boolean; signed: boolean; pending: number; last_error: string }
export type Mute = { id: string; service?: string; rule?: string; until: string; reason: string; by: string; at: string }
export type Delivery = {
  id: number; time: string; rule: string; severity: string; channel: string; state: string; attempts: number; last_error: string; next_attempt: string | null; ended_at: string | null
  held: boolean; count: number; summary: string
}

// Its key begins as that of the overview, so that what makes one old makes the other old.
export const alertRows = queryOptions({ queryKey: ['alerts', 'rows'], queryFn: () => get<{ firing: number; alerts: AlertRow[] }>('/api/alerts'), refetchInterval: 5_000 })
export const rulesOf = queryOptions({ queryKey: ['notify', 'rules'], queryFn: () => get<{ rules: Rule[] }>('/api/notify/rules'), staleTime: 60_000 })
export const channelsOf = queryOptions({ queryKey: ['notify', 'channels'], queryFn: () => get<{ channels: Channel[] }>('/api/notify/channels'), refetchInterval: 15_000 })
export const mutesOf = queryOptions({ queryKey: ['notify', 'mutes'], queryFn: () => get<{ mutes: Mute[] }>('/api/notify/mutes'), refetchInterval: 15_000 })
export const deliveriesOf = (state: string) => infiniteQueryOptions({
  queryKey: ['notify', 'deliveries', state],
  queryFn: ({ pageParam }) => get<{ notifications: Delivery[]; next: number | null }>('/api/notifications', { limit: 50, cursor: pageParam, state }),
  initialPageParam: null as number | null,
  getNextPageParam: (last) => last.next,
  refetchInterval: 15_000,
})
