// Agents by level with what they know, and what calls to outside APIs cost.
import { Button, SegmentedControl, TextInput } from '@mantine/core'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import type { Schemas } from '../../api/client'
import { get as ask } from '../../api/rest'
import { useAddress } from '../../components/address'
import { DataTable, type Column } from '../../components/DataTable'
import { Icon } from '../../components/icons'
import { Sections, useSection } from '../../components/sections'
import { Badge, Card, EmptyState, ErrorState, Page, SkeletonRows, Stat, Skeleton } from '../../components/ui'
import { TimeText } from '../../components/values'
import { number } from '../../format'
import { built } from '../../pages'
import { Budgets } from './Budgets'
import { dollars } from './money'
import s from './agents.module.css'

type Agent = Schemas['AgentRow']
type Sum = Schemas['UsageCounts']
type ModelRow = Schemas['UsageModel']

const agentsQuery = queryOptions({ queryKey: ['agents'], queryFn: () => ask<Schemas['AgentsBody']>('/api/agents', { limit: 500 }), staleTime: 30_000 })
const summaryQuery = queryOptions({ queryKey: ['api-usage', 'summary'], queryFn: () => ask<Schemas['UsageSummary']>('/api/usage/summary'), refetchInterval: 15_000 })
const statsQuery = queryOptions({ queryKey: ['api-usage', 'stats'], queryFn: () => ask<Schemas['UsageStats']>('/api/usage/stats'), refetchInterval: 15_000 })
const historyQuery = (days: number) => queryOptions({ queryKey: ['api-usage', 'history', days], queryFn: () => ask<Schemas['UsageHistory']>('/api/usage/history', { days }), refetchInterval: 60_000 })

function AgentList() {
  const { get, set } = useAddress()
  const q = useQuery(agentsQuery)
  const level = get('level') || 'all'
  const want = get('q').toLowerCase()
  const rows = q.data?.agents.filter((a) => (level === 'all' || a.level === level) && `${a.id} ${a.name} ${a.role} ${a.description}`.toLowerCase().includes(want)) ?? []
  const name = (a: Agent) => <span className={s.name}><b>{a.name}</b><small>{a.role || a.description || a.id}</small></span>
  const known = (a: Agent) => (built('knowledge') && a.level === 'L1' && a.knowledge_files > 0 ? <Link style={{ textDecoration: 'underline' }} href={`/knowledge?agent=${encodeURIComponent(a.id)}`}>{number(a.knowledge_files)}</Link> : number(a.knowledge_files))
  const columns: Column<Agent>[] = [
    { id: 'name', header: 'Agent', cell: name, sort: (a) => a.name.toLowerCase() },
    { id: 'level', header: 'Level', cell: (a) => <Badge tone={a.level === 'L1' ? 'busy' : 'idle'} plain>{a.level}</Badge>, sort: (a) => `${a.level} ${a.name}` },
    { id: 'parent', header: 'Under', cell: (a) => a.parent || <span className="muted">–</span>, sort: (a) => a.parent },
    { id: 'files', header: 'Knowledge files', right: true, cell: known, sort: (a) => a.knowledge_files },
    { id: 'sub', header: 'Sub-agents', right: true, cell: (a) => number(a.sub_agents), sort: (a) => a.sub_agents },
    { id: 'folder', header: 'Folder', cell: (a) => <span className="mono">{a.folder}</span> },
  ]
  return (
    <Card label="Agents" flush>
      <div className={s.bar}>
        <TextInput size="xs" w={220} placeholder="Search agents" aria-label="Search agents" data-search value={get('q')} onChange={(e) => set({ q: e.currentTarget.value })} leftSection={<Icon name="search" size={14} />} />
        <SegmentedControl size="xs" aria-label="Level" value={level} onChange={(v) => set({ level: v === 'all' ? null : v })} data={['all', 'L1', 'L2', 'L3'].map((x) => ({ value: x, label: x === 'all' ? 'All' : `${x}${q.data ? ` (${q.data.agents.filter((a) => a.level === x).length})` : ''}` }))} />
      </div>
      {q.isError && !q.data ? <ErrorState error={q.error} what="Agents could not be read" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={6} height={22} /> : (
        <DataTable label="List of agents" rows={rows} columns={columns} rowKey={(a) => `${a.folder} ${a.id}`} initialSort={{ id: 'level', down: false }} rowHeight={52}
          card={(a) => <div className={s.card}><span className={s.row}>{name(a)}<Badge tone="idle" plain>{a.level}</Badge></span><span className="muted num">{known(a)} knowledge files, {a.sub_agents} sub-agents</span></div>}
          empty={q.data.total === 0 ? <EmptyState icon="agents" title="No agents were found" action={<Link href="/knowledge?tab=scans">To the scans</Link>}>They are the folders <code className="mono">ai-agents/NAME</code> below <code className="mono">knowledge.roots</code>: name a root in the configuration, then start a scan.</EmptyState> : <EmptyState icon="search" title="No agent matches" action={<Button size="xs" variant="default" onClick={() => set({ q: null, level: null })}>Show all</Button>}>Names, ids, roles and descriptions{level === 'all' ? '' : ` of level ${level}`} are looked at.</EmptyState>} />
      )}
    </Card>
  )
}

function History() {
  const { get, set } = useAddress()
  const days = [7, 30, 90].includes(Number(get('days'))) ? Number(get('days')) : 30
  const q = useQuery(historyQuery(days))
  const top = Math.max(0.000001, ...(q.data?.daily.map((d) => d.cost_usd ?? 0) ?? []))
  return (
    <Card title="Cost by day" side={<SegmentedControl size="xs" aria-label="Days" value={String(days)} onChange={(v) => set({ days: v === '30' ? null : v })} data={['7', '30', '90'].map((v) => ({ value: v, label: `${v} days` }))} />}>
      {q.isError && !q.data ? <ErrorState error={q.error} what="The history could not be read" retry={() => void q.refetch()} /> : !q.data ? <Skeleton height={140} /> : (
        <>
          <div className={s.chart} role="img" aria-label={`${dollars(q.data.total.cost_usd)} in ${days} days, at most ${dollars(Math.max(0, ...q.data.daily.map((d) => d.cost_usd ?? 0)))} a day; ${dollars(q.data.daily.at(-1)?.cost_usd)} today`}>
            {q.data.daily.map((d) => <span key={d.date} title={`${d.date}: ${dollars(d.cost_usd)}, ${number(d.calls)} calls, ${number(d.total_tokens)} tokens`}><i style={{ height: `${(100 * (d.cost_usd ?? 0)) / top}%` }} /></span>)}
          </div>
          <div className={s.axis}><span>{q.data.daily[0]?.date}</span><span className="num">{dollars(q.data.total.cost_usd)} in all, {number(q.data.total.calls)} calls</span><span>{q.data.daily.at(-1)?.date}</span></div>
        </>
      )}
    </Card>
  )
}

function Apis() {
  const q = useQuery(statsQuery)
  const rows = q.data?.apis.flatMap((a) => a.models) ?? []
  const columns: Column<ModelRow>[] = [
    { id: 'api', header: 'API', cell: (m) => <b className={s.api}>{m.api}</b>, sort: (m) => m.api },
    { id: 'model', header: 'Model', cell: (m) => m.model || <span className="muted">–</span>, sort: (m) => m.model },
    { id: 'calls', header: 'Calls', right: true, cell: (m) => number(m.calls), sort: (m) => m.calls },
    { id: 'errors', header: 'Errors', right: true, cell: (m) => number(m.errors), sort: (m) => m.errors },
    { id: 'input', header: 'Tokens in', right: true, cell: (m) => number(m.input_tokens), sort: (m) => m.input_tokens },
    { id: 'output', header: 'Tokens out', right: true, cell: (m) => number(m.output_tokens), sort: (m) => m.output_tokens },
    { id: 'cost', header: 'Cost', right: true, cell: (m) => <span title={m.unpriced_calls ? `${m.unpriced_calls} calls have no known price` : `${m.cost_usd} US dollars`}>{dollars(m.cost_usd)}{m.unpriced_calls ? '+' : ''}</span>, sort: (m) => m.cost_usd },
    { id: 'last', header: 'Last', right: true, cell: (m) => <TimeText at={m.last_used} relative />, sort: (m) => (m.last_used ? Date.parse(m.last_used) : null) },
  ]
  return (
    <Card title="APIs and models" flush>
      {q.isError && !q.data ? <ErrorState error={q.error} what="Usage could not be read" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={4} height={20} /> : (
        <DataTable label="List of APIs and models" rows={rows} columns={columns} rowKey={(m) => `${m.api} ${m.model}`} initialSort={{ id: 'cost', down: true }}
          card={(m) => <div className={s.card}><span className={s.row}><b>{m.api} {m.model}</b><span className="num">{dollars(m.cost_usd)}</span></span><span className="muted num">{number(m.calls)} calls, {number(m.total_tokens)} tokens</span></div>}
          empty={<EmptyState icon="agents" title="No calls were counted yet">Programs report them with <code className="mono">POST /api/usage/track</code> or <code className="mono">controlcenter usage track</code>.</EmptyState>} />
      )}
    </Card>
  )
}

function Usage() {
  const q = useQuery(summaryQuery)
  const apis = useQuery(statsQuery)
  const stat = (label: string, x: Sum | undefined, note?: string) => (
    <Stat label={label} value={x ? dollars(x.cost_usd) : <Skeleton width={80} height={24} />} title={x ? `${x.cost_usd} US dollars` : undefined} note={x ? note ?? `${number(x.calls)} calls, ${number(x.total_tokens)} tokens` : <Skeleton width={110} height={12} />} />
  )
  if (q.isError && !q.data) return <Card label="Usage"><ErrorState error={q.error} what="Usage could not be read" retry={() => void q.refetch()} /></Card>
  const d = q.data
  return (
    <>
      <div className={s.stats} data-testid="usage">
        {stat('Today', d?.today)}{stat('7 days', d?.last_7_days)}
        {stat('This month', d?.month, d?.month_forecast_usd ? `about ${dollars(d.month_forecast_usd)} by its end` : undefined)}{stat('In all', d?.total)}
      </div>
      <div className={s.columns}><History /><Budgets apis={apis.data?.apis.map((a) => a.api) ?? []} /></div>
      <Apis />
      {d ? <p className={s.note}>{d.note}</p> : null}
    </>
  )
}

const ITEMS = [{ id: 'agents', label: 'Agents' }, { id: 'usage', label: 'API usage' }]

export default function Agents() {
  const current = useSection(ITEMS)
  const agents = useQuery(agentsQuery)
  return (
    <Page title="Agents & usage" note={agents.data ? `${number(agents.data.total)} agents` : undefined}>
      <Sections label="Parts of the page" items={ITEMS} current={current} />
      {current === 'usage' ? <Usage /> : <AgentList />}
    </Page>
  )
}
