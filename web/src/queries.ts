// What pages ask over REST, by name, so that two pages that need the same share one request and one cached answer.
import { QueryClient, queryOptions } from '@tanstack/react-query'
import { api, ApiError, unwrap, type Schemas } from './api/client'

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (n, e) => n < 2 && (!(e instanceof ApiError) || e.status === 0 || e.status >= 500) && !(e instanceof ApiError && e.status === 503),
      networkMode: 'always', // the server may be this machine: "offline" says nothing about it
    },
  },
})

export const infoQuery = queryOptions({ queryKey: ['info'], queryFn: () => unwrap(api.GET('/api/system/info')), staleTime: 300_000 })

export const statsQuery = queryOptions({ queryKey: ['stats'], queryFn: () => unwrap(api.GET('/api/system/stats')), refetchInterval: 5_000 })

export const busiestQuery = queryOptions({ queryKey: ['processes', 'busiest'], queryFn: () => unwrap(api.GET('/api/system/processes', { params: { query: { limit: 5 } } })), refetchInterval: 5_000 })

export const eventsQuery = (limit: number) => queryOptions({
  queryKey: ['events', limit],
  queryFn: () => unwrap(api.GET('/api/events', { params: { query: { limit } } })),
  refetchInterval: 30_000, // the live view asks at once when something happened to a service
})

export type Alert = Schemas['AlertRow']

/** Alerts of this server. */
export const alertsQuery = queryOptions({ queryKey: ['alerts'], queryFn: async () => (await unwrap(api.GET('/api/alerts'))).alerts, refetchInterval: 15_000 })
