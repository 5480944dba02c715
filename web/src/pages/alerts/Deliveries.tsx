// Messages and how far their delivery is.
import { Button, SegmentedControl } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { useAddress } from '../../components/address'
import { Card, EmptyState, ErrorState, SkeletonRows, StatusBadge, Tag } from '../../components/ui'
import { TimeText } from '../../components/values'
import { number } from '../../format'
import { Severity } from './Active'
import { deliveriesOf } from './queries'
import s from './alerts.module.css'

export function Deliveries() {
  const { get, set } = useAddress()
  const state = get('state')
  const q = useInfiniteQuery(deliveriesOf(state))
  const rows = q.data?.pages.flatMap((p) => p.notifications)
  return (
    <Card label="Deliveries" flush>
      <div className={s.bar}>
        <SegmentedControl size="xs" aria-label="Show" value={state || 'all'} onChange={(v) => set({ state: v === 'all' ? null : v })}
          data={[{ value: 'all', label: 'All' }, { value: 'pending', label: 'Pending' }, { value: 'delivered', label: 'Delivered' }, { value: 'failed', label: 'Failed' }, { value: 'dropped', label: 'Dropped' }]} />
      </div>
      {q.isError && !rows ? <ErrorState error={q.error} what="Deliveries could not be read" retry={() => void q.refetch()} /> : !rows ? <SkeletonRows rows={6} height={22} /> : rows.length === 0 ? (
        <EmptyState icon="inbox" title={state ? `No message is ${state}` : 'No message was sent yet'}>Alerts go to the <Link href="/alerts?tab=channels">channels</Link> that the configuration names.</EmptyState>
      ) : (
        <ul className={s.list}>
          {rows.map((d) => (
            <li key={d.id}>
              <span className={s.marks}><StatusBadge state={d.state} /></span>
              <span className={s.grow}>
                <b>{d.summary || d.rule}{d.count > 1 ? <span className="muted"> and {number(d.count - 1)} more</span> : null}</b>
                {d.last_error ? <small className={s.bad}>{d.last_error}</small> : null}
                <span className={s.facts}>
                  <span>{d.rule}</span><span>to {d.channel}</span><span className="num">{d.attempts} attempt{d.attempts === 1 ? '' : 's'}</span>
                  {d.next_attempt ? <span>next <TimeText at={d.next_attempt} relative /></span> : null}
                  {d.held ? <Tag>held through quiet hours</Tag> : null}
                </span>
              </span>
              <Severity value={d.severity} />
              <span className={s.when}><TimeText at={d.time} /></span>
            </li>
          ))}
        </ul>
      )}
      {q.hasNextPage ? <div className={s.more}><Button size="xs" variant="default" loading={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>Older ones</Button></div> : null}
    </Card>
  )
}
