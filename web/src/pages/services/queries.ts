// What the pages of services ask for by name.
import { api, unwrap } from '../../api/client'

export const serviceQuery = (name: string) => ({
  queryKey: ['service', name], refetchInterval: 10_000,
  queryFn: () => unwrap(api.GET('/api/services/{name}', { params: { path: { name } } })),
})

export const templatesQuery = { queryKey: ['services', 'templates'], queryFn: () => unwrap(api.GET('/api/services/templates')), staleTime: 300_000 }

export const graphQuery = { queryKey: ['services', 'graph'], queryFn: () => unwrap(api.GET('/api/services/graph')), refetchInterval: 5_000 }
