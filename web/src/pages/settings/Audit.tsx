// Who did what, and who was refused.
import { Button, SegmentedControl, TextInput } from '@mantine/core'
import { infiniteQueryOptions, keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import type { Schemas } from '../../api/client'
import { get as ask } from '../../api/rest'
import { useAddress } from '../../components/address'
import { Badge, Card, EmptyState, ErrorState, SkeletonRows, type Tone } from '../../components/ui'
import { TimeText } from '../../components/values'
import { number } from '../../format'
import s from './settings.module.css'

const auditOf = (f: { who: string; action: string; result: string }) => infiniteQueryOptions({
  queryKey: ['audit', f],
  queryFn: ({ pageParam }) => ask<Schemas['AuditBody']>('/api/audit', { limit: 50, cursor: pageParam, ...f }),
  initialPageParam: null as number | null,
  getNextPageParam: (last) => last.next,
  placeholderData: keepPreviousData,
})
const TONES: Record<string, Tone> = { changed: 'ok', ok: 'ok', failed: 'warn', denied: 'bad' }

export function Audit() {
  const { get, set } = useAddress()
  const f = { who: get('who'), action: get('action'), result: get('result') }
  const q = useInfiniteQuery(auditOf(f))
  const rows = q.data?.pages.flatMap((p) => p.entries)
  return (
    <Card label="Audit" flush>
      <div className={s.bar}>
        <TextInput size="xs" w={200} placeholder="Action, such as services" aria-label="Action" data-search value={f.action} onChange={(e) => set({ action: e.currentTarget.value })} />
        <TextInput size="xs" w={160} placeholder="Who" aria-label="Who" value={f.who} onChange={(e) => set({ who: e.currentTarget.value })} />
        <SegmentedControl size="xs" aria-label="Result" value={f.result || 'all'} onChange={(v) => set({ result: v === 'all' ? null : v })} data={['all', 'changed', 'ok', 'failed', 'denied'].map((v) => ({ value: v, label: v === 'ok' ? 'OK' : v[0]!.toUpperCase() + v.slice(1) }))} />
      </div>
      {q.isError && !rows ? <ErrorState error={q.error} what="The audit log cannot be shown" retry={() => void q.refetch()} /> : !rows ? <SkeletonRows rows={8} height={20} /> : rows.length === 0 ? <EmptyState icon="logs" title={f.who || f.action || f.result ? 'No entry matches' : 'Nobody has changed anything yet'} /> : (
        <ul className={s.list} data-testid="audit">
          {rows.map((e) => (
            <li key={e.id}>
              <span className={s.mark}><Badge tone={TONES[e.result] ?? 'idle'}>{e.result}</Badge></span>
              <span className={s.grow}><code className="mono">{e.action}{e.target ? ` ${e.target}` : ''}</code>{e.detail ? <small>{e.detail}</small> : null}
                <small title={`request ${e.request_id}`}>{e.who}{e.role ? `, ${e.role}` : ''}{e.method ? `, by ${e.method}` : ''}, from {e.from || 'unknown'}{e.status ? `, ${e.status}` : ''}{e.count > 1 ? `, ${number(e.count)} times` : ''}</small></span>
              <span className="muted"><TimeText at={e.time} /></span>
            </li>
          ))}
        </ul>
      )}
      {q.hasNextPage ? <div className={s.more}><Button size="xs" variant="default" loading={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>Older ones</Button></div> : null}
    </Card>
  )
}
