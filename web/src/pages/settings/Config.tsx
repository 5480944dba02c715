// Every setting, its value (secrets masked) and where that comes from.
import { Button, SegmentedControl, TextInput } from '@mantine/core'
import { queryOptions, useQuery } from '@tanstack/react-query'
import type { Schemas } from '../../api/client'
import { get as ask } from '../../api/rest'
import { useAddress } from '../../components/address'
import { DataTable, type Column } from '../../components/DataTable'
import { Icon } from '../../components/icons'
import { Badge, Card, EmptyState, ErrorState, SkeletonRows } from '../../components/ui'
import s from './settings.module.css'

type Setting = Schemas['ConfigSetting']
const configQuery = queryOptions({ queryKey: ['config'], queryFn: () => ask<Schemas['ConfigBody']>('/api/config') })

const LONG = 120 // characters; a whole service is one value

function readable(value: string): string {
  try {
    return JSON.stringify(JSON.parse(value), null, 2)
  } catch {
    return value
  }
}

function value(x: Setting) {
  if (x.value === '') return <span className="muted">empty</span>
  if (x.value.length <= LONG) return <code className={`mono ${s.value}`}>{x.value}</code>
  return <details className={s.long}><summary className="mono">{x.value}</summary><pre className="mono">{readable(x.value)}</pre></details>
}

export function Config() {
  const { get, set } = useAddress()
  const q = useQuery(configQuery)
  const want = get('q').toLowerCase()
  const changed = get('show') === 'changed'
  const rows = q.data?.settings.filter((x) => (!changed || x.source !== 'default') && `${x.key} ${x.secret ? '' : x.value} ${x.source}`.toLowerCase().includes(want)) ?? []
  const columns: Column<Setting>[] = [
    { id: 'key', header: 'Key', cell: (x) => <code className="mono">{x.key}</code>, sort: (x) => x.key, width: '32%' },
    { id: 'value', header: 'Value', cell: (x) => <>{value(x)}{x.secret ? <> <Badge tone="idle" plain>secret</Badge></> : null}</> },
    { id: 'source', header: 'From', cell: (x) => (x.source === 'default' ? <span className="muted">default</span> : <span className={s.value}>{x.source}</span>), sort: (x) => x.source, width: '26%' },
  ]
  return (
    <Card label="Configuration" flush>
      <div className={s.bar}>
        <TextInput size="xs" w={260} placeholder="Search settings" aria-label="Search settings" data-search value={get('q')} onChange={(e) => set({ q: e.currentTarget.value })} leftSection={<Icon name="search" size={14} />} />
        <SegmentedControl size="xs" aria-label="Show" value={changed ? 'changed' : 'all'} onChange={(v) => set({ show: v === 'all' ? null : v })} data={[{ value: 'all', label: 'All' }, { value: 'changed', label: 'Not the default' }]} />
      </div>
      {q.isError && !q.data ? <ErrorState error={q.error} what="The configuration cannot be shown" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={10} height={18} /> : (
        <DataTable label="List of settings" rows={rows} columns={columns} rowKey={(x) => x.key} rowHeight={38}
          card={(x) => <div className={s.card}><code className="mono">{x.key}</code>{value(x)}<small className="muted">{x.source}</small></div>}
          empty={<EmptyState icon="search" title={want || !changed ? 'No setting matches' : 'Everything has its default'} action={<Button size="xs" variant="default" onClick={() => set({ q: null, show: null })}>Show all</Button>}>{want ? <>Keys, values that are no secrets, and where they come from are looked at.</> : <>What you set in the configuration file, the environment or by flags is shown here.</>}</EmptyState>} />
      )}
    </Card>
  )
}
