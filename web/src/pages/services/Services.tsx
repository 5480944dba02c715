// All services: their state as it is, and the buttons to change it.
import { lazy, Suspense, useMemo, useState } from 'react'
import { ActionIcon, Button, Checkbox, Menu, SegmentedControl, TextInput, Tooltip } from '@mantine/core'
import { Link, useLocation, useSearchParams } from 'wouter'
import type { Service } from '../../api/client'
import { ConfirmDialog, CurlItems, CurlMenu } from '../../components/actions'
import { DataTable, type Column } from '../../components/DataTable'
import { Icon } from '../../components/icons'
import { Sparkline } from '../../components/LiveChart'
import { Sections, useSection } from '../../components/sections'
import { Badge, Card, EmptyState, Page, SkeletonRows, StatusBadge, Tag } from '../../components/ui'
import { Bytes, Percent, Since, TimeText } from '../../components/values'
import { bytes, bytesExact, number } from '../../format'
import { useLive } from '../../live/store'
import { built, href } from '../../pages'
import { useAdmin } from '../login/queries'
import { bulkCall, callOf, useBulk, usePending, type Verb } from './actions'
import { up, useAsk } from './ask'
import { useServiceUsage } from './usage'
import s from './services.module.css'

const EditService = lazy(() => import('./EditService'))
const Graph = lazy(() => import('./Graph'))
const PARTS = [{ id: 'list', label: 'List' }, { id: 'graph', label: 'Dependencies' }]

const FILTERS = {
  all: { label: 'All', test: () => true },
  running: { label: 'Running', test: (x: Service) => x.status === 'running' },
  stopped: { label: 'Stopped', test: (x: Service) => x.status === 'stopped' },
  problems: { label: 'Problems', test: (x: Service) => x.status === 'error' || x.state === 'backoff' || x.health === 'unhealthy' },
} as const
type Filter = keyof typeof FILTERS
const VERBS = ['start', 'restart', 'stop'] as const

function Name({ service: x }: { service: Service }) {
  return (
    <span className={s.name}>
      {built('service') ? <Link href={href('service', { name: x.name })}>{x.display_name}</Link> : <b>{x.display_name}</b>}
      <small title={x.description ?? undefined}>{x.description || x.name}</small>
    </span>
  )
}

function State({ service: x, pending }: { service: Service; pending: string | null }) {
  const note = x.reason || (x.retry_at ? '' : x.waiting ? `waits for ${x.waiting}` : '')
  return (
    <span className={s.state}>
      <span className={s.tags}>
        {pending && up(x) !== (pending === 'starting') ? <Badge tone="busy">{pending}</Badge> : <StatusBadge state={x.state} />}
        {x.health !== 'unknown' && up(x) ? <StatusBadge state={x.health} plain /> : null}
        {x.restart_needed ? <Badge tone="warn" plain title="Its definition changed since it was started">restart needed</Badge> : null}
      </span>
      {note || x.retry_at ? <small title={note}>{note}{x.retry_at ? <>{note ? ', ' : ''}next try <TimeText at={x.retry_at} relative /></> : null}</small> : null}
    </span>
  )
}

function Ports({ service: x }: { service: Service }) {
  const ports = x.ports ?? []
  if (ports.length === 0) return <span className="muted">–</span>
  return <span className="num nowrap">{ports.join(', ')}</span>
}

export default function Services() {
  const all = useLive((l) => l.services)
  const usage = useServiceUsage()
  const pending = usePending()
  const bulk = useBulk()
  const admin = useAdmin()
  const part = useSection(PARTS)
  const [, go] = useLocation()
  const [search, setSearch] = useSearchParams() // what is shown has an address
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())

  const text = search.get('q') ?? ''
  const tag = search.get('tag')
  const edited = search.get('edit')
  const filter: Filter = (search.get('show') ?? 'all') in FILTERS ? (search.get('show') as Filter) ?? 'all' : 'all'
  const set = (name: string, value: string | null) => setSearch((old) => {
    const next = new URLSearchParams(old)
    if (value) next.set(name, value)
    else next.delete(name)
    return next
  }, { replace: true })

  const list = useMemo(() => all?.filter((x) => x.type !== 'job'), [all])
  const { ask, question, setQuestion } = useAsk(list)
  const tags = useMemo(() => [...new Set(list?.flatMap((x) => x.tags ?? []))].sort(), [list])
  const rows = useMemo(() => {
    const want = text.toLowerCase()
    return (list ?? []).filter((x) => FILTERS[filter].test(x) && (!tag || x.tags?.includes(tag)) &&
      (!want || `${x.name} ${x.display_name} ${x.description ?? ''} ${x.tags?.join(' ')} ${x.ports?.join(' ')}`.toLowerCase().includes(want)))
  }, [list, filter, tag, text])
  const picked = rows.filter((x) => chosen.has(x.name)).map((x) => x.name)
  const many = picked.length > 0 ? picked : rows.map((x) => x.name) // whom the buttons for several are for

  const doMany = (verb: Verb, names: string[]) => {
    const run = () => bulk.mutateAsync({ verb, names }).catch(() => {})
    if (verb === 'start') return void run()
    setQuestion({ title: `${verb === 'stop' ? 'Stop' : 'Restart'} ${names.length} service${names.length === 1 ? '' : 's'}?`, text: names.join(', '), confirm: verb === 'stop' ? 'Stop them' : 'Restart them', danger: verb === 'stop', call: bulkCall(verb, names), run })
  }

  const actions = (x: Service) => {
    const busy = pending(x.name)
    return (
      <span className={s.actions} aria-busy={busy !== null}>
        {up(x) ? (
          <Tooltip label="Stop"><ActionIcon variant="subtle" color="gray" disabled={busy !== null} aria-label={`Stop ${x.display_name}`} onClick={() => ask(x, 'stop')}><Icon name="stop" size={16} /></ActionIcon></Tooltip>
        ) : (
          <Tooltip label="Start"><ActionIcon variant="subtle" color="gray" disabled={busy !== null} aria-label={`Start ${x.display_name}`} onClick={() => ask(x, 'start')}><Icon name="play" size={16} /></ActionIcon></Tooltip>
        )}
        <Tooltip label="Restart"><ActionIcon variant="subtle" color="gray" disabled={busy !== null} aria-label={`Restart ${x.display_name}`} onClick={() => ask(x, 'restart')}><Icon name="restart" size={16} /></ActionIcon></Tooltip>
        <Menu position="bottom-end" width={220}>
          <Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={`More for ${x.display_name}`}><Icon name="more" size={18} /></ActionIcon></Menu.Target>
          <Menu.Dropdown>
            {admin ? <><Menu.Item leftSection={<Icon name="settings" size={16} />} onClick={() => set('edit', x.name)}>Edit</Menu.Item><Menu.Divider /></> : null}
            <CurlItems calls={VERBS.map((verb) => [verb, callOf(x.name, verb)])} />
            <Menu.Divider />
            <Menu.Item color="red" leftSection={<Icon name="skull" size={16} />} disabled={!up(x)} onClick={() => ask(x, 'kill')}>Kill</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </span>
    )
  }

  const allPicked = rows.length > 0 && picked.length === rows.length
  const columns: Column<Service>[] = [
    {
      id: 'pick', label: 'Chosen', width: 36,
      header: <Checkbox size="xs" aria-label="Choose all" checked={allPicked} indeterminate={picked.length > 0 && !allPicked} onChange={() => setChosen(new Set(allPicked ? [] : rows.map((x) => x.name)))} />,
      cell: (x) => <Checkbox size="xs" aria-label={`Choose ${x.display_name}`} checked={chosen.has(x.name)} onChange={() => {
        const next = new Set(chosen)
        if (!next.delete(x.name)) next.add(x.name)
        setChosen(next)
      }} />,
    },
    { id: 'name', header: 'Service', cell: (x) => <Name service={x} />, sort: (x) => x.display_name.toLowerCase() },
    { id: 'state', header: 'State', cell: (x) => <State service={x} pending={pending(x.name)} />, sort: (x) => ['error', 'starting', 'stopping', 'running', 'stopped'].indexOf(x.status) },
    { id: 'uptime', header: 'Uptime', right: true, cell: (x) => (x.status === 'running' ? <Since at={x.since} /> : <span className="muted">–</span>), sort: (x) => (x.status === 'running' ? -Date.parse(x.since) : null) },
    { id: 'ports', header: 'Ports', cell: (x) => <Ports service={x} />, sort: (x) => x.ports?.[0] },
    { id: 'cpu', header: 'CPU', right: true, sort: (x) => usage(x.name).now?.cpu_percent, cell: (x) => { const u = usage(x.name); return <span className={`${s.use} num`}><Sparkline values={u.cpu} width={64} /><Percent value={u.now?.cpu_percent} note="100 % is one core" /></span> } },
    { id: 'memory', header: 'Memory', right: true, sort: (x) => usage(x.name).now?.memory, cell: (x) => { const u = usage(x.name); return <span className={`${s.use} num`} title={bytesExact(u.now?.memory)}><Sparkline values={u.memory} width={64} color="var(--c2)" /><span>{bytes(u.now?.memory)}</span></span> } },
    { id: 'restarts', header: 'Restarts', right: true, sort: (x) => x.restarts, cell: (x) => <span className="num" title={`${x.starts} starts, ${x.crashes} crashes`}>{number(x.restarts)}</span> },
    { id: 'actions', header: '', label: 'Actions', width: 120, cell: actions },
  ]
  const card = (x: Service) => {
    const u = usage(x.name)
    return (
      <div className={s.card}>
        <div className={s.cardTop}><Name service={x} />{actions(x)}</div>
        <State service={x} pending={pending(x.name)} />
        <div className={s.cardFacts}>
          {x.status === 'running' ? <span>up <b><Since at={x.since} /></b></span> : null}
          {u.now ? <span className="num">CPU <b><Percent value={u.now.cpu_percent} /></b></span> : null}
          {u.now ? <span className="num">memory <b><Bytes value={u.now.memory} /></b></span> : null}
          {x.ports?.length ? <span>port <b><Ports service={x} /></b></span> : null}
          <span className="num">restarts <b>{x.restarts}</b></span>
        </div>
      </div>
    )
  }

  const running = list?.filter((x) => x.status === 'running').length
  return (
    <Page title="Services" note={list ? `${running} of ${list.length} running` : undefined} side={admin ? <Button size="xs" variant="default" onClick={() => set('add', '1')}>Add service</Button> : undefined}>
      <Sections label="Parts of the page" items={PARTS} current={part} />
      {part === 'graph' ? <Suspense fallback={<Card label="Dependencies"><SkeletonRows rows={8} /></Card>}><Graph /></Suspense> : <Card flush label="Services">
        <div className={s.bar} style={{ paddingTop: 2 }}>
          <TextInput size="xs" w={220} placeholder="Search services" aria-label="Search services" value={text} onChange={(e) => set('q', e.currentTarget.value)} leftSection={<Icon name="search" size={14} />} data-search />
          <SegmentedControl size="xs" aria-label="Show" value={filter} onChange={(v) => set('show', v === 'all' ? null : v)} data={Object.entries(FILTERS).map(([value, f]) => ({ value, label: f.label }))} />
          {tags.length > 0 ? (
            <Menu position="bottom-start" width={200}>
              <Menu.Target><Button size="xs" variant={tag ? 'light' : 'default'}>{tag ? `Tag: ${tag}` : 'Tag'}</Button></Menu.Target>
              <Menu.Dropdown>
                <Menu.Item onClick={() => set('tag', null)}>All tags</Menu.Item>
                {tags.map((t) => <Menu.Item key={t} onClick={() => set('tag', t)} rightSection={t === tag ? <Icon name="check" size={14} /> : null}>{t}</Menu.Item>)}
              </Menu.Dropdown>
            </Menu>
          ) : null}
          {picked.length > 0 || tag ? (
            <div className={s.bulk} role="group" aria-label="For the chosen services">
              <span className="muted num">{picked.length > 0 ? `${picked.length} chosen` : <>all with <Tag>{tag}</Tag></>}</span>
              {VERBS.map((verb) => (
                <Button key={verb} size="xs" variant="default" loading={bulk.isPending && bulk.variables.verb === verb} disabled={bulk.isPending || rows.length === 0}
                  onClick={() => doMany(verb, many)}>{verb[0]!.toUpperCase() + verb.slice(1)}</Button>
              ))}
              <CurlMenu label="Copy an action for the chosen services as curl" calls={VERBS.map((verb) => [verb, bulkCall(verb, many)])} />
            </div>
          ) : null}
        </div>
        {!list ? <SkeletonRows rows={6} height={22} /> : (
          <DataTable label="List of services" rows={rows} columns={columns} rowKey={(x) => x.name} initialSort={{ id: 'name', down: false }} rowHeight={56} card={card}
            onOpen={built('service') ? (x) => go(href('service', { name: x.name })) : undefined}
            empty={list.length === 0 ? (
              <EmptyState icon="services" title="No services yet">Add one with <code className="mono">controlcenter add NAME -- COMMAND</code>, or in the configuration file under <code className="mono">services</code>.</EmptyState>
            ) : (
              <EmptyState icon="search" title="No service matches" action={<Button size="xs" variant="default" onClick={() => setSearch({}, { replace: true })}>Show all</Button>} />
            )} />
        )}
      </Card>}
      {admin && search.get('add') ? <Suspense><EditService onClose={() => set('add', null)} /></Suspense> : null}
      {admin && edited ? <Suspense><EditService name={edited} title={list?.find((x) => x.name === edited)?.display_name} onClose={() => set('edit', null)} /></Suspense> : null}
      <ConfirmDialog question={question} onClose={() => setQuestion(null)} />
    </Page>
  )
}
