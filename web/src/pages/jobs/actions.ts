// What can be done to jobs: run one now, cancel the run that goes on.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { api, unwrap, type Service } from '../../api/client'
import { toast } from '../../components/toasts'

type Verb = 'run' | 'cancel'
type Job = Pick<Service, 'name' | 'display_name' | 'status'>

export const jobCall = (name: string, verb: Verb) => ({ method: 'POST' as const, path: `/api/jobs/${encodeURIComponent(name)}/${verb}` })

/** Whether a run goes on. */
export const jobRuns = (j: Job) => j.status === 'running' || j.status === 'starting' || j.status === 'stopping'

export function useJobAction() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ job, verb }: { job: Job; verb: Verb }): Promise<{ message: string }> => {
      const parameters = { params: { path: { id: job.name } } }
      return verb === 'run' ? unwrap(api.POST('/api/jobs/{id}/run', parameters)) : unwrap(api.POST('/api/jobs/{id}/cancel', parameters))
    },
    onSuccess: (answer) => toast.done(answer.message),
    onError: (error, { job, verb }) => toast.failed(`${job.display_name}: ${verb} failed`, error),
    onSettled: (_, __, { job }) => {
      void client.invalidateQueries({ queryKey: ['jobs'] })
      void client.invalidateQueries({ queryKey: ['service', job.name] })
    },
  })
}
