// Values that are rounded for the eye and exact on hover.
import { useEffect, useState, useSyncExternalStore } from 'react'
import * as f from '../format'

type Value = number | null | undefined

export const Bytes = ({ value }: { value: Value }) => <span className="num nowrap" title={f.bytesExact(value)}>{f.bytes(value)}</span>
export const Rate = ({ value }: { value: Value }) => <span className="num nowrap" title={`${f.bytesExact(value)} per second`}>{f.rate(value)}</span>
export const Percent = ({ value, digits, note }: { value: Value; digits?: number; note?: string }) => <span className="num nowrap" title={`${f.percentExact(value)}${note ? `, ${note}` : ''}`}>{f.percent(value, digits)}</span>
export const Duration = ({ seconds }: { seconds: Value }) => <span className="num nowrap" title={f.durationExact(seconds)}>{f.duration(seconds)}</span>

// One clock for all ages on the page.
let now = Date.now()
const watchers = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined
function watch(fn: () => void) {
  watchers.add(fn)
  timer ??= setInterval(() => {
    now = Date.now()
    for (const w of watchers) w()
  }, 1000)
  return () => {
    watchers.delete(fn)
    if (watchers.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

/** The time, to the second; the component is drawn again each second. */
export const useNow = () => useSyncExternalStore(watch, () => now)

/** A moment: local time, or how long ago it was; UTC on hover. */
export function TimeText({ at, relative }: { at: string | number | null | undefined; relative?: boolean }) {
  const t = useNow()
  if (at === null || at === undefined || at === '') return <span className="muted">{f.DASH}</span>
  const d = new Date(at)
  return <time className="num nowrap" dateTime={Number.isNaN(d.getTime()) ? undefined : d.toISOString()} title={f.utc(d)}>{relative ? f.ago(d, new Date(Math.max(t, Date.now() - 1000))) : f.when(d, new Date(t))}</time>
}

/** Time since a moment, counting. */
export function Since({ at }: { at: string }) {
  const t = useNow()
  return <span className="num nowrap" title={`since ${f.utc(new Date(at))}`}>{f.duration(Math.max(0, (Math.max(t, Date.now() - 1000) - Date.parse(at)) / 1000))}</span>
}

/** Follows a media query. */
export function useMedia(query: string): boolean {
  const [on, set] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const m = matchMedia(query)
    const change = () => set(m.matches)
    change()
    m.addEventListener('change', change)
    return () => m.removeEventListener('change', change)
  }, [query])
  return on
}

export const usePhone = () => useMedia('(max-width: 700px)')
