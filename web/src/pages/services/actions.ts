// What can be done to services. Nothing is shown before the server says it: the state comes over the live view, the result
// and the reason of a failure from the answer.
import { useMutation, useMutationState } from '@tanstack/react-query'
import { api, ApiError, unwrap, type Service } from '../../api/client'
import { toast } from '../../components/toasts'

export type Verb = 'start' | 'stop' | 'restart' | 'kill'
const DOING: Record<Verb, string> = { start: 'starting', stop: 'stopping', restart: 'restarting', kill: 'killing' }

export const callOf = (name: string, verb: Verb, cascade = false) =>
  ({ method: 'POST' as const, path: `/api/services/${encodeURIComponent(name)}/${verb}${cascade ? '?cascade=true' : ''}` })

export const bulkCall = (verb: Verb, names: string[]) => ({ method: 'POST' as const, path: `/api/services/actions/${verb}`, body: { names } })

function send(name: string, verb: Verb, cascade: boolean) {
  const path = { name }
  switch (verb) {
    case 'start': return unwrap(api.POST('/api/services/{name}/start', { params: { path } }))
    case 'restart': return unwrap(api.POST('/api/services/{name}/restart', { params: { path } }))
    case 'stop': return unwrap(api.POST('/api/services/{name}/stop', { params: { path, query: { cascade } } }))
    case 'kill': return unwrap(api.POST('/api/services/{name}/kill', { params: { path, query: { cascade } } }))
  }
}

type One = { service: Service; verb: Verb; cascade?: boolean }

export function useAction() {
  return useMutation({
    mutationKey: ['service', 'action'],
    mutationFn: ({ service, verb, cascade }: One) => send(service.name, verb, cascade ?? false),
    onSuccess: (answer) => toast.done(answer.message),
    onError: (error, { service, verb }) => toast.failed(`${service.display_name}: ${verb} failed`, error),
  })
}

/** What is under way for a service, or null: from any place of the application. */
export function usePending(): (name: string) => string | null {
  const list = useMutationState({ filters: { mutationKey: ['service', 'action'], status: 'pending' }, select: (m) => m.state.variables as One | undefined })
  return (name) => {
    const found = list.find((v) => v?.service.name === name)
    return found ? DOING[found.verb] : null
  }
}

export function useBulk() {
  return useMutation({
    mutationFn: ({ verb, names }: { verb: Verb; names: string[] }) =>
      unwrap(api.POST('/api/services/actions/{verb}', { params: { path: { verb } }, body: { names } })),
    onSuccess: (answer, { verb }) => {
      const failed = answer.results?.filter((r) => !r.success) ?? []
      const n = answer.results?.length ?? 0
      if (failed.length === 0) toast.done(`${verb}: ${n} of ${n} services`)
      else toast.failed(`${verb}: ${n - failed.length} of ${n} services, the others failed`, new ApiError(200, '', '', failed.map((r) => `${r.name}: ${r.error}`)))
    },
    onError: (error, { verb }) => toast.failed(`${verb} failed`, error),
  })
}
