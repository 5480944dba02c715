/**
 * The newest `span` seconds of a curve as means of `step` seconds each, oldest first; NaN where nothing is known. The steps lie at
 * fixed times: what is past keeps its shape as the curve moves on.
 */
export function averages(times: ArrayLike<number>, values: ArrayLike<number>, span: number, step: number): number[] {
  const n = Math.ceil(span / step)
  const out = new Array<number>(n).fill(NaN)
  if (times.length === 0) return out
  const last = Math.floor(times[times.length - 1]! / step)
  const counts = new Array<number>(n).fill(0)
  for (let i = times.length - 1; i >= 0; i--) {
    const at = n - 1 - (last - Math.floor(times[i]! / step))
    if (at < 0) break
    const v = values[i]!
    if (Number.isNaN(v)) continue
    out[at] = (counts[at]! > 0 ? out[at]! : 0) + v
    counts[at]!++
  }
  return out.map((sum, i) => (counts[i]! > 0 ? sum / counts[i]! : NaN))
}
