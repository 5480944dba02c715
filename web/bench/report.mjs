// What the report is made of; the same form as the other benchmarks have (bench/internal/rig).

export const sorted = (list) => Float64Array.from(list).sort()

/** The value that the share q (0 to 1) does not exceed. */
export function quantile(list, q) {
  const s = sorted(list)
  return s.length ? s[Math.min(s.length - 1, Math.max(0, Math.ceil(q * s.length) - 1))] : 0
}

export const median = (list) => quantile(list, 0.5)

export const ms = (n) => (n < 10 ? n.toFixed(1) : n.toFixed(0))

/** A Markdown table whose columns are aligned. */
export function table(head, rows) {
  const width = head.map((_, i) => Math.max(3, ...[head, ...rows].map((r) => [...(r[i] ?? '')].length)))
  const line = (r) => `| ${head.map((_, i) => (r[i] ?? '').padEnd(width[i])).join(' | ')} |\n`
  return line(head) + `|${width.map((w) => '-'.repeat(w + 2)).join('|')}|\n` + rows.map(line).join('')
}

/** Replaces the section between its two comments, or appends it. Other sections stay as they are. */
export function replaceSection(old, name, text) {
  const [begin, end] = [`<!-- begin ${name} -->\n`, `<!-- end ${name} -->\n`]
  const section = begin + text.trim() + '\n' + end
  const i = old.indexOf(begin)
  if (i < 0) return `${old.trimEnd()}\n\n${section}`
  const j = old.indexOf(end, i)
  if (j < 0) throw new Error(`the section ${name} has no end`)
  return old.slice(0, i) + section + old.slice(j + end.length)
}
