// Who listens on which port, and every connection when asked: owner, service, addresses.
import { useMemo } from 'react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Button, SegmentedControl, TextInput } from '@mantine/core'
import { Link, useSearchParams } from 'wouter'
import { api, unwrap, type Schemas } from '../../api/client'
import { CopyAsCurl } from '../../components/actions'
import { DataTable, type Column } from '../../components/DataTable'
import { Icon } from '../../components/icons'
import { Badge, Card, EmptyState, ErrorState, Page, SkeletonRows, Tag } from '../../components/ui'
import { number } from '../../format'
import { built, href } from '../../pages'
import s from '../processes/processes.module.css'

type Port = Schemas['PortRow']
type Range = 'configured' | 'low' | 'all'
const RANGES: Record<Range, { start?: number; end?: number }> = { configured: {}, low: { start: 1, end: 1023 }, all: { start: 1, end: 65535 } }

const portsQuery = (range: Range, state: 'listen' | 'all') => ({
  queryKey: ['ports', range, state], placeholderData: keepPreviousData, refetchInterval: 5_000,
  queryFn: () => unwrap(api.GET('/api/system/ports', { params: { query: { ...RANGES[range], state } } })),
})

const tone = (state: string) => (state === 'LISTEN' ? 'ok' : state === 'ESTABLISHED' ? 'busy' : 'idle')
const endpoint = (address: string, port: number) => `${address.includes(':') ? `[${address}]` : address}:${port}`

function Owner({ port: p }: { port: Port }) {
  if (p.pid === null) return <span className="muted" title="The owner belongs to another user, or the socket has none any more">not known</span>
  return built('processes') ? <Link href={`${href('processes')}?q=${p.pid}`}>{p.process || 'process'} <span className="muted num">{p.pid}</span></Link> : <span>{p.process} {p.pid}</span>
}

const ServiceOf = ({ port: p }: { port: Port }) => (p.service ? <Link href={href('service', { name: p.service })}><Tag>{p.service}</Tag></Link> : <span className="muted">–</span>)

export default function Ports() {
  const [search, setSearch] = useSearchParams()
  const text = search.get('q') ?? ''
  const range: Range = (search.get('range') ?? '') in RANGES ? (search.get('range') as Range) : 'configured'
  const state = search.get('state') === 'all' ? 'all' : 'listen'
  const q = useQuery(portsQuery(range, state))
  const set = (name: string, value: string | null) => setSearch((old) => {
    const next = new URLSearchParams(old)
    if (value) next.set(name, value)
    else next.delete(name)
    return next
  }, { replace: true })

  const all = q.data?.ports
  const rows = useMemo(() => (all ?? []).filter((p) => `${p.port} ${p.pid ?? ''} ${p.process} ${p.service ?? ''} ${p.protocol} ${p.status} ${p.addresses?.join(' ')} ${p.remote_address ?? ''}:${p.remote_port ?? ''}`.toLowerCase().includes(text.toLowerCase())), [all, text])
  const columns: Column<Port>[] = [
    { id: 'port', header: 'Port', right: true, width: 84, sort: (p) => p.port, cell: (p) => <b>{p.port}</b> },
    { id: 'protocol', header: 'Protocol', sort: (p) => p.protocol, cell: (p) => p.protocol },
    { id: 'address', header: 'Address', sort: (p) => p.address, cell: (p) => <span className="mono">{p.addresses?.length ? p.addresses.join(', ') : p.address}</span> },
    ...(state === 'all' ? [{ id: 'remote', header: 'Other end', sort: (p: Port) => p.remote_address, cell: (p: Port) => (p.remote_address ? <span className="mono">{endpoint(p.remote_address, p.remote_port ?? 0)}</span> : <span className="muted">–</span>) }] : []),
    { id: 'state', header: 'State', sort: (p) => p.status, cell: (p) => <Badge plain tone={tone(p.status)}>{p.status === 'NONE' ? 'bound' : p.status.toLowerCase().replaceAll('_', ' ')}</Badge> },
    { id: 'process', header: 'Process', sort: (p) => p.process || null, cell: (p) => <Owner port={p} /> },
    { id: 'service', header: 'Service', sort: (p) => p.service, cell: (p) => <ServiceOf port={p} /> },
  ]
  const query = new URLSearchParams({ ...Object.fromEntries(Object.entries(RANGES[range]).map(([k, v]) => [k, String(v)])), ...(state === 'all' ? { state } : {}) }).toString()
  return (
    <Page title="Ports" note={q.data ? `${number(q.data.count)} in ${q.data.start} to ${q.data.end}` : undefined} side={<CopyAsCurl call={{ method: 'GET', path: `/api/system/ports${query ? `?${query}` : ''}` }} />}>
      <Card flush label="Ports" className={q.isPlaceholderData ? 'stale' : ''}>
        <div className={s.bar}>
          <TextInput size="xs" w={240} placeholder="Port, process, service, address" aria-label="Search ports" value={text} onChange={(e) => set('q', e.currentTarget.value)} leftSection={<Icon name="search" size={14} />} data-search />
          <SegmentedControl size="xs" aria-label="Range" value={range} onChange={(v) => set('range', v === 'configured' ? null : v)} data={[{ value: 'configured', label: 'Usual range' }, { value: 'low', label: '1 to 1023' }, { value: 'all', label: 'All ports' }]} />
          <SegmentedControl size="xs" aria-label="Sockets" value={state} onChange={(v) => set('state', v === 'all' ? v : null)} data={[{ value: 'listen', label: 'Listening' }, { value: 'all', label: 'All sockets' }]} />
        </div>
        {q.isError && !all ? <ErrorState error={q.error} what="Ports could not be read" retry={q.refetch} /> : !all ? <SkeletonRows rows={8} /> : (
          <DataTable label="List of ports" rows={rows} columns={columns} rowKey={(p) => `${p.protocol}-${p.port}-${p.pid}-${p.address}-${p.remote_address}-${p.remote_port}-${p.status}`} initialSort={{ id: 'port', down: false }} rowHeight={40}
            card={(p) => (
              <div className={s.card}><div className={s.top}><b className="num">{p.port} <span className="muted">{p.protocol}</span></b><Badge plain tone={tone(p.status)}>{p.status.toLowerCase()}</Badge></div>
                <div className={s.facts}><Owner port={p} /><span className="mono">{p.addresses?.join(', ')}</span>{p.service ? <ServiceOf port={p} /> : null}</div></div>
            )}
            empty={text && all.length > 0 ? <EmptyState icon="search" title="No port matches" action={<Button size="xs" variant="default" onClick={() => set('q', null)}>Show all of the range</Button>}>Ports, processes, PIDs, services, protocols and addresses are looked at{range === 'all' && state === 'all' ? '' : ', in the chosen range and state only'}.</EmptyState> : <EmptyState icon="ports" title="Nothing listens in this range" action={range === 'all' ? undefined : <Button size="xs" variant="default" onClick={() => set('range', 'all')}>Show all ports</Button>}>Choose another range above. The usual one is set by <code className="mono">exporter.ports</code> in the configuration file.</EmptyState>} />
        )}
      </Card>
    </Page>
  )
}
