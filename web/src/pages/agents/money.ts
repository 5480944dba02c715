// Money as text.
import { DASH } from '../../format'

/** $0.81, $0.0042, $1,234: two digits, more for what would be nothing, none for much. */
export function dollars(v: number | null | undefined): string {
  if (typeof v !== 'number' || !Number.isFinite(v)) return DASH
  const a = Math.abs(v)
  const digits = a === 0 || a >= 1000 ? 0 : a >= 0.01 ? 2 : 4
  return `${v < 0 ? '-' : ''}$${a.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`
}
