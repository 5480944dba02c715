// One file: what it says, how sure that is, where it is from, and what people decided about it.
import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { useAddress } from '../../components/address'
import { Icon } from '../../components/icons'
import { Facts } from '../../components/sections'
import { Card, EmptyState, ErrorState, SkeletonRows, Tag } from '../../components/ui'
import { Bytes, Duration, TimeText } from '../../components/values'
import { number } from '../../format'
import { Confidence, DateText, FileTitle, ReviewState, useReview, VideoLink } from './parts'
import { ReviewMenu } from './ReviewMenu'
import { fileOf, relatedOf, type FileDetail, type Insight } from './queries'
import s from './knowledge.module.css'

const RELATIONS: Record<string, string> = {
  copy: 'copy', same_video: 'same video', supersedes: 'superseded by this', superseded_by: 'supersedes this', contradicts: 'contradicted by this',
  contradicted_by: 'contradicts this', same_creator: 'same creator',
}

function InsightRow({ file, insight: i }: { file: FileDetail; insight: Insight }) {
  const last = file.reviews.filter((r) => r.insight_id === i.id).at(-1)
  return (
    <li className={s.insight}>
      <span className={s.insightTime}>{i.t !== null ? <VideoLink url={i.url} at={i.t} /> : <span className="muted">–</span>}</span>
      <span className={s.grow}>
        <span>{i.text}</span>
        {i.evidence ? <small>{i.evidence}</small> : null}
        {i.tags.length ? <span className={s.origin}>{i.tags.map((t) => <Tag key={t}>{t}</Tag>)}</span> : null}
      </span>
      <ReviewState status={last?.status ?? i.status} />
      <Confidence value={i.confidence} />
      <ReviewMenu file={file.id} insight={i.id} label={`Decide on: ${i.text.slice(0, 60)}`} />
    </li>
  )
}

export function FileView({ id }: { id: string }) {
  const { to } = useAddress()
  const q = useQuery(fileOf(id))
  const related = useQuery(relatedOf(id))
  const review = useReview()
  const back = <Link className={s.back} href={`/knowledge${to({ file: null })}`}><Icon name="up" size={15} />Back to the list</Link>
  if (q.isError) return <><div>{back}</div><Card label="File"><ErrorState error={q.error} what="The file cannot be shown" retry={() => void q.refetch()} /></Card></>
  const f = q.data
  if (!f) return <><div>{back}</div><div className={s.columns}><Card title="Insights"><SkeletonRows rows={8} height={20} /></Card><Card title="About"><SkeletonRows rows={7} /></Card></div></>
  const several = f.entries.length > 1
  return (
    <>
      <div className={s.fileHead}>
        {back}
        <h2>{f.title || f.name}</h2>
        <div className={s.fileActions}>
          <ReviewState status={f.status} />
          <Confidence value={f.confidence} />
          <VideoLink url={f.url}>Open the video</VideoLink>
          <span className={s.end} role="group" aria-label="Decide on the file">
            <Button size="xs" variant="default" leftSection={<Icon name="check" size={14} />} disabled={review.isPending} onClick={() => review.mutate({ file: f.id, action: 'approve' })}>Approve</Button>
            <Button size="xs" variant="default" leftSection={<Icon name="close" size={14} />} disabled={review.isPending} onClick={() => review.mutate({ file: f.id, action: 'reject' })}>Reject</Button>
            <ReviewMenu file={f.id} label="More decisions" by={related.data?.files.find((x) => x.relation === 'superseded_by')} />
          </span>
        </div>
      </div>
      <div className={s.columns}>
        <div className={s.stack}>
          <Card title="Insights" flush side={<span className="num">{number(f.insights.items.length)}</span>}>
            {f.insights.items.length === 0 ? <EmptyState icon="knowledge" title="No insights were found in this file">Its text stands below.</EmptyState> : f.entries.filter((e) => e.insights.length > 0).map((e, n) => (
              <section key={n} aria-label={e.title || f.title}>
                {several ? <h3 className={s.entry}>{e.title}<ReviewState status={e.status} /><span className={s.end}><VideoLink url={e.url} /></span></h3> : null}
                <ul className={s.list}>{e.insights.map((i) => <InsightRow key={i.id} file={f} insight={i} />)}</ul>
              </section>
            ))}
          </Card>
          {f.content ? <Card title="Text" side={<a href={`/api/knowledge/files/${encodeURIComponent(f.id)}/content`}>as a file</a>}><pre className={s.content} tabIndex={0} aria-label="Text of the file">{f.content}</pre></Card> : null}
        </div>
        <div className={s.stack}>
          <Card title="About">
            <Facts rows={[
              ['Creator', f.source], ['Agent', f.agent], ['Category', f.category], ['Type', f.type], ['Published', f.published ? <DateText at={f.published} /> : null],
              ['Changed', <TimeText at={f.modified} />], ['Length', f.metadata.duration ? <Duration seconds={f.metadata.duration} /> : null], ['Size', <><Bytes value={f.size} />, {number(f.insights.word_count)} words</>],
              ['Tags', f.tags.length ? f.tags.map((t) => <Tag key={t}>{t}</Tag>) : null], ['File', <span className="mono">{f.relative_path}</span>],
            ]} />
          </Card>
          {f.warnings.length ? <Card title="Odd about the file"><ul className={s.notes}>{f.warnings.map((w, i) => <li key={i}>{w}</li>)}</ul></Card> : null}
          {f.reviews.length ? (
            <Card title="Decisions" flush>
              <ul className={s.list}>
                {f.reviews.map((r, i) => (
                  <li key={i}><ReviewState status={r.status} /><span className={s.grow}>{r.insight_id ? f.insights.items.find((x) => x.id === r.insight_id)?.text ?? r.insight_id : 'the whole file'}{r.note ? <small>{r.note}</small> : null}<small>{r.actor}, <TimeText at={r.at} relative /></small></span></li>
                ))}
              </ul>
            </Card>
          ) : null}
          <Card title="Related" flush>
            {related.isError ? <ErrorState error={related.error} what="Related files are not known" retry={() => void related.refetch()} /> : !related.data ? <SkeletonRows rows={3} /> : related.data.files.length === 0 ? <EmptyState title="No other file has to do with this one" /> : (
              <ul className={s.list}>
                {related.data.files.map((x) => <li key={x.id}><span className={s.grow}><FileTitle file={x} /><small>{x.agent}{x.category ? ` / ${x.category}` : ''}</small></span><Tag>{RELATIONS[x.relation] ?? x.relation}</Tag></li>)}
              </ul>
            )}
          </Card>
        </div>
      </div>
    </>
  )
}
