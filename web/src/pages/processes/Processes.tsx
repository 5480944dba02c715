// The processes of the machine: sorted, filtered, as a tree, and ended after a question. A process is told apart by its pid and
// the time it began: a pid that was given to another one meanwhile is refused by the server.
import { useMemo, useState } from 'react'
import { keepPreviousData, queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ActionIcon, Menu, SegmentedControl, TextInput } from '@mantine/core'
import { Link, useSearchParams } from 'wouter'
import { api, unwrap, type Schemas } from '../../api/client'
import { ConfirmDialog, CurlItem, type Question } from '../../components/actions'
import { DataTable, type Column } from '../../components/DataTable'
import { Icon } from '../../components/icons'
import { toast } from '../../components/toasts'
import { Badge, Card, EmptyState, ErrorState, Page, SkeletonRows, Tag } from '../../components/ui'
import { Bytes, Percent, Since, TimeText } from '../../components/values'
import { number } from '../../format'
import { href } from '../../pages'
import { useAdmin } from '../login/queries'
import { tree, type Placed } from './tree'
import s from './processes.module.css'

type Process = Schemas['ProcessRow']
type Signal = 'SIGTERM' | 'SIGKILL'
const MOST = 500 // what the server lists at once: those with the most CPU

const processesQuery = (search: string) => ({
  queryKey: ['processes', search], refetchInterval: 4_000, placeholderData: keepPreviousData,
  queryFn: () => unwrap(api.GET('/api/system/processes', { params: { query: { limit: MOST, search: search || undefined } } })),
})

// A tree needs all of them, parents and children, page by page. Sorted by pid, what begins or ends meanwhile moves only itself.
const allQuery = queryOptions({
  queryKey: ['processes', 'all'], refetchInterval: 8_000, placeholderData: keepPreviousData,
  queryFn: async () => {
    const byPid = new Map<number, Process>()
    for (let offset = 0; ; offset += MOST) {
      const page = await unwrap(api.GET('/api/system/processes', { params: { query: { limit: MOST, offset, sort: 'pid' } } }))
      for (const p of page.processes ?? []) byPid.set(p.pid, p)
      if (offset + MOST >= page.count) return { ...page, processes: [...byPid.values()] }
    }
  },
})
const killCall = (p: Process, signal: Signal) => ({ method: 'POST' as const, path: `/api/system/processes/${p.pid}/kill`, body: { signal, start_ticks: p.start_ticks } })

const STATES: Record<string, 'ok' | 'bad' | 'warn' | 'idle'> = { running: 'ok', zombie: 'bad', 'disk-sleep': 'warn', stopped: 'warn' }

// Deep down the steps are smaller, but every child stands further in than its parent.
const indent = (depth: number) => 16 * Math.min(depth, 8) + 4 * Math.min(Math.max(depth - 8, 0), 30)
const NAME = 140 // px of a name that are seen however deep it stands

function useKill() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ p, signal }: { p: Process; signal: Signal }) =>
      unwrap(api.POST('/api/system/processes/{pid}/kill', { params: { path: { pid: p.pid } }, body: { signal, start_ticks: p.start_ticks } })),
    onSuccess: (answer) => toast.done(answer.message),
    onError: (error, { p }) => toast.failed(`${p.name} (${p.pid}) was not ended`, error),
    onSettled: () => void client.invalidateQueries({ queryKey: ['processes'] }),
  })
}

export default function Processes() {
  const admin = useAdmin()
  const kill = useKill()
  const [search, setSearch] = useSearchParams()
  const [question, setQuestion] = useState<Question | null>(null)
  const text = search.get('q') ?? ''
  const asTree = search.get('view') === 'tree'
  const short = useQuery(processesQuery(''))
  const more = (short.data?.count ?? 0) > MOST // then the server searches: not all are here
  const found = useQuery({ ...processesQuery(text), enabled: more && text !== '' && !asTree })
  const whole = useQuery({ ...allQuery, enabled: more && asTree })
  const q = asTree && whole.data ? whole : found.data && !asTree && text ? found : short
  const set = (name: string, value: string | null) => setSearch((old) => {
    const next = new URLSearchParams(old)
    if (value) next.set(name, value)
    else next.delete(name)
    return next
  }, { replace: true })

  const all = q.data?.processes
  const rows: readonly Placed<Process>[] = useMemo(() => {
    const want = text.toLowerCase()
    const match = (p: Process) => !want || String(p.pid) === want || `${p.name} ${p.cmdline} ${p.user} ${p.service ?? ''}`.toLowerCase().includes(want)
    if (asTree) return tree(all ?? [], match, (a, b) => a.pid - b.pid)
    return (all ?? []).filter(match).map((row) => ({ row, depth: 0, children: 0 }))
  }, [all, text, asTree])

  const ask = (p: Process, signal: Signal) => setQuestion({
    title: `${signal === 'SIGTERM' ? 'End' : 'Kill'} ${p.name}?`, confirm: signal === 'SIGTERM' ? 'End it' : 'Kill it', danger: true, call: killCall(p, signal),
    text: (
      <>
        <p>Process <b>{p.pid}</b> of {p.user}, began <TimeText at={p.start_time} />.{p.service ? <> It belongs to the service <b>{p.service}</b>, which may be started again by its rules.</> : null}</p>
        <p className="mono" style={{ margin: '8px 0', overflowWrap: 'anywhere' }}>{p.cmdline.slice(0, 400)}</p>
        <p className="muted">{signal === 'SIGTERM' ? 'It is asked to end (SIGTERM) and may save what it has.' : 'It ends at once (SIGKILL), without a chance to save anything.'}</p>
      </>
    ),
    run: () => kill.mutateAsync({ p, signal }).catch(() => {}), // the message tells
  })

  const actions = (p: Process) => (!admin ? null : (
    <Menu position="bottom-end" width={200}>
      <Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={`More for ${p.name} ${p.pid}`}><Icon name="more" /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<Icon name="stop" size={16} />} onClick={() => ask(p, 'SIGTERM')}>End (SIGTERM)</Menu.Item>
        <Menu.Item color="red" leftSection={<Icon name="skull" size={16} />} onClick={() => ask(p, 'SIGKILL')}>Kill (SIGKILL)</Menu.Item>
        <Menu.Divider />
        <CurlItem call={killCall(p, 'SIGTERM')} />
      </Menu.Dropdown>
    </Menu>
  ))
  const service = (p: Process) => (p.service ? <Link href={href('service', { name: p.service })}><Tag>{p.service}</Tag></Link> : <span className="muted">–</span>)
  const sorted = (by: (p: Process) => number | string | null | undefined) => (asTree ? undefined : (r: Placed<Process>) => by(r.row)) // a tree has its own order
  const columns: Column<Placed<Process>>[] = [
    { id: 'name', header: 'Process', sort: sorted((p) => p.name.toLowerCase()), cell: ({ row: p, depth }) => <span className={s.name} style={asTree ? { paddingLeft: indent(depth), minWidth: indent(depth) + NAME } : undefined}><b>{p.name}</b><small title={p.cmdline}>{p.cmdline || `[${p.name}]`}</small></span> },
    { id: 'pid', header: 'PID', right: true, sort: sorted((p) => p.pid), cell: ({ row: p }) => p.pid },
    { id: 'user', header: 'User', sort: sorted((p) => p.user), cell: ({ row: p }) => p.user },
    { id: 'cpu', header: 'CPU', right: true, sort: sorted((p) => p.cpu_percent), cell: ({ row: p }) => <Percent value={p.cpu_percent} note="100 % is one core" /> },
    { id: 'memory', header: 'Memory', right: true, sort: sorted((p) => p.memory_rss), cell: ({ row: p }) => <Bytes value={p.memory_rss} /> },
    { id: 'threads', header: 'Threads', right: true, sort: sorted((p) => p.threads), cell: ({ row: p }) => number(p.threads) },
    { id: 'age', header: 'Running for', right: true, sort: sorted((p) => -Date.parse(p.start_time)), cell: ({ row: p }) => <Since at={p.start_time} /> },
    { id: 'state', header: 'State', sort: sorted((p) => p.status), cell: ({ row: p }) => <Badge plain tone={STATES[p.status] ?? 'idle'}>{p.status}</Badge> },
    { id: 'service', header: 'Service', sort: sorted((p) => p.service), cell: ({ row: p }) => service(p) },
    { id: 'actions', header: '', label: 'Actions', width: 48, cell: ({ row: p }) => actions(p) },
  ]
  return (
    <Page title="Processes" note={short.data ? `${number(short.data.count)} in all${more && !asTree ? `, the ${MOST} with the most CPU here; search looks at all` : ''}` : undefined}>
      <Card flush label="Processes">
        <div className={s.bar}>
          <TextInput size="xs" w={300} placeholder="Name, command, user, service or PID" aria-label="Search processes" value={text} onChange={(e) => set('q', e.currentTarget.value)} leftSection={<Icon name="search" size={14} />} data-search />
          <SegmentedControl size="xs" aria-label="View" value={asTree ? 'tree' : 'list'} onChange={(v) => set('view', v === 'tree' ? v : null)} data={[{ value: 'list', label: 'List' }, { value: 'tree', label: 'Tree' }]} />
          {text && all ? <span className={`${s.end} num`}>{number(rows.length)} shown</span> : null}
        </div>
        {q.isError && !all ? <ErrorState error={q.error} what="Processes could not be read" retry={q.refetch} /> : !all ? <SkeletonRows rows={12} /> : (
          <DataTable key={asTree ? 'tree' : 'list'} label={asTree ? 'Tree of processes' : 'List of processes'} rows={rows} columns={columns} rowKey={({ row: p }) => `${p.pid}-${p.start_ticks}`} rowHeight={46}
            initialSort={asTree ? undefined : { id: 'cpu', down: true }}
            card={({ row: p }) => (
              <div className={s.card}><div className={s.top}><span className={s.name}><b>{p.name}</b><small>{p.cmdline}</small></span>{actions(p)}</div>
                <div className={`${s.facts} num`}><span>pid <b>{p.pid}</b></span><span>CPU <b><Percent value={p.cpu_percent} /></b></span><span>memory <b><Bytes value={p.memory_rss} /></b></span><span>{p.user}</span></div></div>
            )}
            empty={<EmptyState icon="search" title="No process matches">It may have ended. Names, command lines, users, services and PIDs are looked at.</EmptyState>} />
        )}
      </Card>
      <ConfirmDialog question={question} onClose={() => setQuestion(null)} />
    </Page>
  )
}
