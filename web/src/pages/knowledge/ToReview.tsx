// What a person should look at: contradictions, files that another supersedes, stale and pending ones.
import { useQuery } from '@tanstack/react-query'
import { Badge, Card, EmptyState, ErrorState, SkeletonRows } from '../../components/ui'
import { Confidence, FileTitle, Origin, ReviewState } from './parts'
import { ReviewMenu } from './ReviewMenu'
import { reviewsOf } from './queries'
import s from './knowledge.module.css'

const WHY: Record<string, string> = { contradicts: 'contradiction', conflicting: 'conflicting', supersedes: 'superseded', stale: 'out of date', pending: 'pending' }

export function ToReviewList() {
  const q = useQuery(reviewsOf)
  return (
    <Card label="To review" flush>
      {q.isError && !q.data ? <ErrorState error={q.error} what="What waits for a decision is not known" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={6} height={20} /> : q.data.items.length === 0 ? (
        <EmptyState icon="check" title="Nothing waits for a decision">Contradictions, superseded and pending files appear here.</EmptyState>
      ) : (
        <ul className={s.hits} data-testid="to-review">
          {q.data.items.map((x, i) => (
            <li key={i} className={s.hit}>
              <span className={s.hitHead}><FileTitle file={x.file} /><Badge tone={x.why === 'contradicts' || x.why === 'conflicting' ? 'bad' : 'warn'}>{WHY[x.why] ?? x.why}</Badge><ReviewState status={x.file.status} /><Confidence value={x.file.confidence} /><span className={s.end}><ReviewMenu file={x.file.id} label={`Decide on ${x.file.title || x.file.name}`} /></span></span>
              {x.other ? <span className={s.against}>{x.why === 'supersedes' ? 'with' : 'against'} <FileTitle file={x.other} /><Confidence value={x.other.confidence} /><ReviewMenu file={x.other.id} label={`Decide on ${x.other.title || x.other.name}`} by={x.why === 'supersedes' ? x.file : null} /></span> : null}
              <Origin file={x.file} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}
