// Pieces that several of the knowledge pages show.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from 'wouter'
import { send } from '../../api/rest'
import { useAddress } from '../../components/address'
import { Icon } from '../../components/icons'
import { toast } from '../../components/toasts'
import { Badge, Tag, type Tone } from '../../components/ui'
import { TimeText } from '../../components/values'
import { percent, utc } from '../../format'
import { playTime, type KnowledgeFile } from './queries'
import s from './knowledge.module.css'

export function Confidence({ value }: { value: number | null | undefined }) {
  if (value === null || value === undefined) return null
  const tone = value >= 0.8 ? 'ok' : value >= 0.6 ? 'warn' : 'bad'
  return <Badge tone={tone} title={`Confidence ${value}`}><span className="hidden-text">confidence </span>{percent(value * 100, 0)}</Badge>
}

export function VideoLink({ url, at, children }: { url: string; at?: number | null; children?: string }) {
  if (!/^https?:\/\//.test(url)) return null
  return (
    <a className={s.video} href={url} target="_blank" rel="noreferrer noopener">
      <Icon name="play" size={13} />{children ?? (at !== null && at !== undefined ? playTime(at) : 'Video')}<span className="hidden-text"> (opens the video in a new tab)</span>
    </a>
  )
}

/** A day: of what has no time of day, such as the publishing of a video. */
export const DateText = ({ at }: { at: string }) => (
  <time className="num nowrap" dateTime={at} title={utc(new Date(at))}>{new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' })}</time>
)

/** Where a file is from, in one line. */
export function Origin({ file: f }: { file: KnowledgeFile }) {
  return (
    <span className={s.origin}>
      {f.source ? <b>{f.source}</b> : null}
      <span>{f.agent}{f.category && f.category !== f.agent ? ` / ${f.category}` : ''}</span>
      {f.published ? <DateText at={f.published} /> : <TimeText at={f.modified} relative />}
      {f.insight_count > 0 ? <span className="num">{f.insight_count} insight{f.insight_count === 1 ? '' : 's'}</span> : null}
      {f.type !== 'document' ? <Tag>{f.type}</Tag> : null}
      {f.tags.slice(0, 4).map((t) => <Tag key={t}>{t}</Tag>)}
    </span>
  )
}

export const FileTitle = ({ file: f }: { file: KnowledgeFile }) => {
  const { to } = useAddress()
  return <Link className={s.title} href={`/knowledge${to({ file: f.id })}`}>{f.title || f.name}</Link>
}

const REVIEW_TONES: Record<string, Tone> = { approved: 'ok', rejected: 'bad', conflicting: 'warn', superseded: 'idle', pending: 'warn' }

export const ReviewState = ({ status }: { status: string }) => (status ? <Badge tone={REVIEW_TONES[status] ?? 'idle'}>{status}</Badge> : null)

export type Decision = 'approve' | 'reject' | 'conflict' | 'pending' | 'clear' | 'supersede'
export type Review = { file: string; action: Decision; insight?: string; by?: string } // by: of supersede, the file that takes its place

/** What can be decided of everything: the action, its text, its name as a noun. */
export const DECISIONS: [Decision, string, string][] = [
  ['approve', 'Approve', 'approval'], ['reject', 'Reject', 'rejection'], ['conflict', 'Mark as conflicting', 'conflict'], ['pending', 'Decide later', 'deferral'], ['clear', 'Take the decision back', 'taking back'],
]

export const reviewCall = ({ file, action, insight, by }: Review) =>
  ({ method: 'POST' as const, path: '/api/knowledge/review', body: { document_id: file, action, ...(insight ? { insight_id: insight } : {}), ...(by ? { superseded_by: by } : {}) } })

export function useReview() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (r: Review) => send<{ message: string; review: { not_written?: string } }>(reviewCall(r)),
    onSuccess: (a) => {
      toast.done(a.message, a.review?.not_written ? `The file itself was not changed: ${a.review.not_written}` : undefined)
      void client.invalidateQueries({ queryKey: ['kb'] })
    },
    onError: (e) => toast.failed('The decision was not kept', e),
  })
}
