// What the alerts page asks for.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import type { Schemas } from '../../api/client'
import { get } from '../../api/rest'

export type AlertRow = Schemas['AlertRow']
export type Rule = Schemas['NotifyRuleRow']
export type Channel = Schemas['ChannelState']
export type Mute = Schemas['Mute']
export type Delivery = Schemas['DeliveryRow']

// Its key begins as that of the overview, so that what makes one old makes the other old.
export const alertRows = queryOptions({ queryKey: ['alerts', 'rows'], queryFn: () => get<Schemas['AlertsBody']>('/api/alerts'), refetchInterval: 5_000 })
export const rulesOf = queryOptions({ queryKey: ['notify', 'rules'], queryFn: () => get<Schemas['NotifyRulesBody']>('/api/notify/rules'), staleTime: 60_000 })
export const channelsOf = queryOptions({ queryKey: ['notify', 'channels'], queryFn: () => get<Schemas['NotifyChannelsBody']>('/api/notify/channels'), refetchInterval: 15_000 })
export const mutesOf = queryOptions({ queryKey: ['notify', 'mutes'], queryFn: () => get<Schemas['MutesBody']>('/api/notify/mutes'), refetchInterval: 15_000 })
export const deliveriesOf = (state: string) => infiniteQueryOptions({
  queryKey: ['notify', 'deliveries', state],
  queryFn: ({ pageParam }) => get<Schemas['DeliveriesBody']>('/api/notifications', { limit: 50, cursor: pageParam, state }),
  initialPageParam: null as number | null,
  getNextPageParam: (last) => last.next,
  refetchInterval: 15_000,
})
