// Jobs: when they run next, how they ran, the buttons to run and cancel them, the log of each run.
import { useState } from 'react'
import { useQuery } from '@tanstack/react-query'
import { ActionIcon, Button, Menu, TextInput } from '@mantine/core'
import { Link, useSearchParams } from 'wouter'
import { api, unwrap, type Schemas } from '../../api/client'
import { ConfirmDialog, CurlItem, type Question } from '../../components/actions'
import { DataTable, type Column } from '../../components/DataTable'
import { Icon } from '../../components/icons'
import { Badge, Card, EmptyState, ErrorState, Page, SkeletonRows } from '../../components/ui'
import { Since, TimeText } from '../../components/values'
import { number } from '../../format'
import { href } from '../../pages'
import { NO_RUN, ResultBadge, RunLog, Runs } from '../service/Runs'
import { jobCall as callOf, jobRuns, useJobAction } from './actions'
import { scheduleRules, scheduleWords } from './schedule'
import s from './jobs.module.css'

type Job = Schemas['JobRow']

const jobsQuery = { queryKey: ['jobs'], queryFn: () => unwrap(api.GET('/api/jobs')), refetchInterval: 3_000 }
const Name = ({ job }: { job: Job }) => (
  <span className={s.name}><Link href={href('service', { name: job.name })}>{job.display_name}</Link><small title={job.description ?? undefined}>{job.description || job.name}</small></span>
)

function State({ job: j }: { job: Job }) {
  if (jobRuns(j)) return <span className={s.two}><Badge tone="busy">{j.state}</Badge><small>for <Since at={j.since} />{j.queued ? `, ${j.queued} waiting` : ''}</small></span>
  if (!j.last_exit) return <span className="muted">has not run yet</span>
  return (
    <span className={s.two}>
      <span><ResultBadge result={j.last_exit.result} /></span>
      <small title={j.last_exit.reason}><TimeText at={j.last_exit.at} relative />{j.last_exit.code ? `, code ${j.last_exit.code}` : ''}</small>
    </span>
  )
}

const Next = ({ job: j }: { job: Job }) => (j.next_run ? <span className={s.two}><TimeText at={j.next_run} relative /><small><TimeText at={j.next_run} /></small></span> : <span className="muted">–</span>)
const Schedule = ({ job: j }: { job: Job }) => <span className={s.two}><span>{scheduleWords(j.schedule ?? {})}</span><small className="num">{scheduleRules(j.schedule ?? {})}</small></span>
const Results = ({ job: j }: { job: Job }) => {
  const list = Object.entries(j.results ?? {}).filter(([, n]) => n > 0)
  return list.length ? <span className={`${s.results} num`}>{list.map(([k, n]) => <span key={k}><b>{number(n)}</b> <span className="muted">{k}</span></span>)}</span> : <span className="muted">–</span>
}

// Whose history is shown until one is chosen: the job that runs or ran last.
const began = (j: Job) => (jobRuns(j) ? Infinity : j.last_exit ? Date.parse(j.last_exit.at) : 0)
const newest = (list: Job[]) => list.reduce<Job | undefined>((best, j) => (best && began(best) >= began(j) ? best : j), undefined)

export default function Jobs() {
  const q = useQuery(jobsQuery)
  const action = useJobAction()
  const [search, setSearch] = useSearchParams()
  const [question, setQuestion] = useState<Question | null>(null)
  const text = search.get('q') ?? ''
  const set = (changes: Record<string, string | null>) => setSearch((old) => {
    const next = new URLSearchParams(old)
    for (const [k, v] of Object.entries(changes)) {
      if (v) next.set(k, v)
      else next.delete(k)
    }
    return next
  }, { replace: true })

  const all = q.data?.jobs
  const rows = (all ?? []).filter((j) => `${j.name} ${j.display_name} ${j.description ?? ''} ${j.tags?.join(' ')}`.toLowerCase().includes(text.toLowerCase()))
  const chosen = all?.find((j) => j.name === search.get('job')) ?? newest(rows)

  const actions = (j: Job) => (
    <span className={s.actions}>
      {jobRuns(j) ? (
        <Button size="compact-sm" variant="default" loading={action.isPending && action.variables.job.name === j.name} aria-label={`Cancel ${j.display_name}`}
          onClick={() => setQuestion({ title: `Cancel ${j.display_name}?`, text: 'The run that is going on is stopped, as a service is.', confirm: 'Cancel the run', danger: true, call: callOf(j.name, 'cancel'), run: () => action.mutateAsync({ job: j, verb: 'cancel' }).catch(() => {}) })}>Cancel</Button>
      ) : (
        <Button size="compact-sm" variant="default" leftSection={<Icon name="play" size={12} />} loading={action.isPending && action.variables.job.name === j.name} aria-label={`Run now: ${j.display_name}`} onClick={() => action.mutate({ job: j, verb: 'run' })}>Run now</Button>
      )}
      <Menu position="bottom-end" width={200}>
        <Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={`More for ${j.display_name}`}><Icon name="more" /></ActionIcon></Menu.Target>
        <Menu.Dropdown><CurlItem call={callOf(j.name, 'run')}>Copy run as curl</CurlItem><CurlItem call={callOf(j.name, 'cancel')}>Copy cancel as curl</CurlItem></Menu.Dropdown>
      </Menu>
    </span>
  )
  const columns: Column<Job>[] = [
    { id: 'name', header: 'Job', cell: (j) => <Name job={j} />, sort: (j) => j.display_name.toLowerCase() },
    { id: 'state', header: 'Last run', cell: (j) => <State job={j} />, sort: (j) => (jobRuns(j) ? 0 : j.last_exit ? -Date.parse(j.last_exit.at) : null) },
    { id: 'next', header: 'Next run', cell: (j) => <Next job={j} />, sort: (j) => (j.next_run ? Date.parse(j.next_run) : null) },
    { id: 'schedule', header: 'Schedule', cell: (j) => <Schedule job={j} /> },
    { id: 'results', header: 'Results', cell: (j) => <Results job={j} /> },
    { id: 'actions', header: '', label: 'Actions', width: 150, cell: actions },
  ]

  return (
    <Page title="Jobs" note={all ? `${all.filter(jobRuns).length} of ${all.length} running` : undefined}>
      <Card flush label="Jobs">
        <div className={s.bar}><TextInput size="xs" w={220} placeholder="Search jobs" aria-label="Search jobs" value={text} onChange={(e) => set({ q: e.currentTarget.value })} leftSection={<Icon name="search" size={14} />} data-search /></div>
        {q.isError && !all ? <ErrorState error={q.error} what="Jobs could not be read" retry={q.refetch} /> : !all ? <SkeletonRows rows={4} height={22} /> : (
          <DataTable label="List of jobs" rows={rows} columns={columns} rowKey={(j) => j.name} rowHeight={56} initialSort={{ id: 'name', down: false }} onOpen={(j) => set({ job: j.name })} selected={(j) => j.name === chosen?.name}
            card={(j) => <div className={s.card}><div className={s.top}><Name job={j} />{actions(j)}</div><State job={j} /><Schedule job={j} />{j.next_run ? <span className="muted">next <TimeText at={j.next_run} relative /></span> : null}<Button size="compact-xs" variant="default" onClick={() => set({ job: j.name })}>History</Button></div>}
            empty={all.length === 0 ? <EmptyState icon="jobs" title="No jobs yet">A job is a service with <code className="mono">type: job</code> and a <code className="mono">schedule</code>: add one with <code className="mono">controlcenter add</code> or in the configuration file.</EmptyState> : <EmptyState icon="search" title="No job matches" action={<Button size="xs" variant="default" onClick={() => set({ q: null })}>Show all</Button>} />} />
        )}
      </Card>
      {chosen ? (
        <Card flush title={`History of ${chosen.display_name}`} side={chosen.last_success ? <span>last success <TimeText at={chosen.last_success} relative /></span> : undefined}>
          <Runs key={chosen.name} name={chosen.name} onOpen={(run) => set({ job: chosen.name, run })} empty="It runs at its time, or now with the button above." />
        </Card>
      ) : null}
      {chosen ? <RunLog name={chosen.name} run={search.get('run')} onClose={() => set(NO_RUN)} /> : null}
      <ConfirmDialog question={question} onClose={() => setQuestion(null)} />
    </Page>
  )
}
