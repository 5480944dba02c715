// The value or limit of a rule as people read it, by the unit that the rule has.
import { bytes, bytesExact, duration, durationExact, number, percent, rate } from '../../format'

const plain = (v: number) => number(v, v % 1 ? 1 : 0)

/** 86.1 %, 91 °C, 3 h 20 min, 8 MiB/s; null for what has no number to show: of rules without a unit the value is only yes or no. */
export function valueOf(v: number | null | undefined, unit: string): string | null {
  if (typeof v !== 'number' || !Number.isFinite(v) || unit === '') return null
  switch (unit) {
    case 'ratio': return percent(v * 100)
    case 'celsius': return `${plain(v)} °C`
    case 'seconds': return v < 0 ? `over since ${duration(-v)}` : duration(v)
    case 'bytes': return bytes(v)
    case 'bytes per second': return rate(v)
    default: return `${plain(v)} ${unit}`
  }
}

/** The same to the last digit, for the title. */
export function exactOf(v: number | null | undefined, unit: string): string | undefined {
  if (typeof v !== 'number' || !Number.isFinite(v)) return undefined
  return unit === 'seconds' ? durationExact(v) : unit.startsWith('bytes') ? bytesExact(v) : `${v} ${unit}`.trim()
}
