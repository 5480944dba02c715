// The small pieces every page is made of.
import type { ReactNode } from 'react'
import { Button } from '@mantine/core'
import { reasonOf, ApiError } from '../api/client'
import { Icon, type IconName } from './icons'
import s from './ui.module.css'

export type Tone = 'ok' | 'warn' | 'bad' | 'idle' | 'busy'

/** A page: its heading, what stands beside it, its content. */
export function Page({ title, note, side, children }: { title: string; note?: ReactNode; side?: ReactNode; children: ReactNode }) {
  return (
    <div className={s.page}>
      <div className={s.pageHead}>
        <h1>{title}</h1>
        {note ? <span className="muted num">{note}</span> : null}
        {side ? <div className={s.side}>{side}</div> : null}
      </div>
      {children}
    </div>
  )
}

/** A surface with a heading. `flush` lets its content reach the edges: tables, lists. */
export function Card({ title, side, flush, children, className, label }: {
  title?: string; side?: ReactNode; flush?: boolean; children: ReactNode; className?: string; label?: string
}) {
  return (
    <section className={`${s.card} ${className ?? ''}`} aria-label={label ?? title}>
      {title ? <div className={s.cardHead}><h2>{title}</h2>{side ? <div className={s.side}>{side}</div> : null}</div> : null}
      <div className={flush ? s.flush : s.cardBody}>{children}</div>
    </section>
  )
}

/** One number with its name; `note` says what it is of, `spark` is its last minutes. */
export function Stat({ label, value, note, title, spark }: { label: string; value: ReactNode; note?: ReactNode; title?: string; spark?: ReactNode }) {
  return (
    <dl className={`${s.card} ${s.stat}`} style={{ margin: 0 }}>
      <dt>{label}</dt>
      <dd className={s.statValue} title={title}>{value}</dd>
      <dd className={s.statNote}>{note}</dd>
      {spark ? <dd className={s.statSpark} aria-hidden>{spark}</dd> : null}
    </dl>
  )
}

export function Badge({ tone, children, title, plain }: { tone: Tone; children: ReactNode; title?: string; plain?: boolean }) {
  return <span className={`${s.badge} ${s[tone]} ${plain ? s.plain : ''}`} title={title}>{children}</span>
}

const TONES: Record<string, Tone> = {
  running: 'ok', healthy: 'ok', completed: 'ok', ok: 'ok', delivered: 'ok',
  starting: 'busy', stopping: 'busy', killing: 'busy', pending: 'busy', scanning: 'busy', reloading: 'busy',
  backoff: 'warn', degraded: 'warn', warning: 'warn', exited: 'idle', stopped: 'idle', unknown: 'idle',
  failed: 'bad', stuck: 'bad', error: 'bad', unhealthy: 'bad', firing: 'bad', critical: 'bad',
}
const WORDS: Record<string, string> = { backoff: 'waiting to restart' }

export const stateTone = (state: string): Tone => TONES[state] ?? 'idle'
export const stateWord = (state: string) => WORDS[state] ?? state

/** A state of the server in its colour. The word is always there: colour alone says nothing to many. */
export function StatusBadge({ state, title, plain }: { state: string; title?: string; plain?: boolean }) {
  return <Badge tone={stateTone(state)} title={title} plain={plain}>{stateWord(state)}</Badge>
}

export const Tag = ({ children }: { children: ReactNode }) => <span className={s.tag}>{children}</span>

/** A share from 0 to 100; turns amber and red where it becomes tight. */
export function Meter({ percent, label, warn = 80, bad = 92 }: { percent: number | null; label: string; warn?: number; bad?: number }) {
  const v = Math.min(100, Math.max(0, percent ?? 0))
  return (
    <div className={s.meter} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(v * 10) / 10}
      data-level={v >= bad ? 'bad' : v >= warn ? 'warn' : 'ok'}>
      <span style={{ width: `${v}%` }} />
    </div>
  )
}

export function Skeleton({ width = '100%', height = 14 }: { width?: number | string; height?: number | string }) {
  return <span className={s.skeleton} style={{ width, height }} aria-hidden />
}

/** Rows in the place of a list that is on its way. */
export function SkeletonRows({ rows = 5, height = 16 }: { rows?: number; height?: number }) {
  return (
    <div role="status" style={{ display: 'grid', gap: 14, padding: 14 }}>
      <span className="hidden-text">Loading</span>
      {Array.from({ length: rows }, (_, i) => <Skeleton key={i} height={height} width={`${92 - ((i * 17) % 40)}%`} />)}
    </div>
  )
}

/** Says that there is nothing, and what to do next. */
export function EmptyState({ icon = 'inbox', title, children, action }: { icon?: IconName; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={s.empty}>
      <Icon name={icon} />
      <h2>{title}</h2>
      {children ? <p>{children}</p> : null}
      {action}
    </div>
  )
}

/** What went wrong, in the server's words, and a way to try again. */
export function ErrorState({ error, what, retry }: { error: unknown; what: string; retry?: () => void }) {
  return (
    <div className={`${s.empty} ${s.error}`} role="alert">
      <Icon name="alert" />
      <h2>{what}</h2>
      <p>{reasonOf(error)}</p>
      <Lines lines={error instanceof ApiError ? error.lines : []} />
      {error instanceof ApiError && error.requestId ? <p className="mono">request {error.requestId}</p> : null}
      {retry ? <Button variant="default" size="xs" onClick={retry}>Try again</Button> : null}
    </div>
  )
}

export const Lines = ({ lines }: { lines: string[] }) =>
  lines.length ? <pre className={s.lines} tabIndex={0} aria-label="Last lines">{lines.join('\n')}</pre> : null
