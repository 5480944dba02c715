// Processes as a tree: parents before their children, how deep each is. What matches keeps its parents, so that it has a place.
export type Proc = { pid: number; ppid: number }
export type Placed<T> = { row: T; depth: number; children: number }

export function tree<T extends Proc>(rows: readonly T[], match: (row: T) => boolean, compare: (a: T, b: T) => number): Placed<T>[] {
  const byPid = new Map(rows.map((r) => [r.pid, r]))
  const keep = new Set<number>()
  for (const r of rows) {
    if (!match(r)) continue
    for (let at: T | undefined = r; at && !keep.has(at.pid); at = byPid.get(at.ppid)) keep.add(at.pid)
  }
  const children = new Map<number, T[]>()
  const roots: T[] = []
  for (const r of rows) {
    if (!keep.has(r.pid)) continue
    if (r.ppid !== r.pid && byPid.has(r.ppid)) children.set(r.ppid, [...(children.get(r.ppid) ?? []), r])
    else roots.push(r)
  }
  const out: Placed<T>[] = []
  const seen = new Set<number>() // the list is no snapshot: a pid that was used again may close a ring
  const walk = (list: T[], depth: number) => {
    for (const row of [...list].sort(compare)) {
      if (seen.has(row.pid)) continue
      seen.add(row.pid)
      const own = children.get(row.pid) ?? []
      out.push({ row, depth, children: own.length })
      walk(own, depth + 1)
    }
  }
  walk(roots, 0)
  return out
}
