// Places services in columns: each right of all that it needs, few crossings, lines around boxes and not through them.
export type Link = { from: string; to: string } // from needs to
export type Box = { id: string; x: number; y: number; height: number; level: number }
export type Point = { x: number; y: number }
export type Placed<L extends Link> = { boxes: Box[]; lines: { link: L; points: Point[] }[]; width: number; height: number }

export const WIDTH = 196 // of a box
const LEAST = 58 // its height; more when many lines come in
const PORT = 20 // between two lines that come into a box
const GAP = { x: 132, y: 22, line: 14 } // between columns, between boxes, around a line that passes
const MARGIN = 14
const SWEEPS = 8

type Cell = { id: string; level: number; box: boolean; height: number; y: number; left: Cell[]; right: Cell[] }

const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length

/** Levels as the server gives them; what it does not know stands at 0. Links between unknown ids are left out. */
export function layout<L extends Link>(ids: readonly string[], levels: ReadonlyMap<string, number>, links: readonly L[]): Placed<L> {
  const known = links.filter((l) => ids.includes(l.from) && ids.includes(l.to) && level(l.from) > level(l.to))
  function level(id: string) { return levels.get(id) ?? 0 }

  const boxes = new Map<string, Cell>(ids.map((id) => [id, { id, level: level(id), box: true, height: Math.max(LEAST, 22 + PORT * known.filter((l) => l.from === id).length), y: 0, left: [], right: [] }]))
  const columns: Cell[][] = Array.from({ length: Math.max(0, ...ids.map(level)) + 1 }, () => [])
  for (const c of boxes.values()) columns[c.level]!.push(c)
  // A line over several columns gets a place of its own in each of them.
  const ways = known.map((link) => {
    const way = [boxes.get(link.to)!]
    for (let at = level(link.to) + 1; at < level(link.from); at++) {
      const c: Cell = { id: '', level: at, box: false, height: 0, y: 0, left: [], right: [] }
      columns[at]!.push(c)
      way.push(c)
    }
    way.push(boxes.get(link.from)!)
    for (let i = 1; i < way.length; i++) {
      way[i]!.left.push(way[i - 1]!)
      way[i - 1]!.right.push(way[i]!)
    }
    return { link, way }
  })

  order(columns)
  for (const column of columns) stack(column)
  for (let i = 0; i < SWEEPS; i++) {
    const toRight = i % 2 === 0
    for (const column of toRight ? columns : [...columns].reverse()) pull(column, toRight ? 'left' : 'right')
  }
  const top = Math.min(...columns.flat().map((c) => c.y - c.height / 2), Infinity)
  for (const c of columns.flat()) c.y += MARGIN - (Number.isFinite(top) ? top : 0)

  const x = (at: number) => MARGIN + at * (WIDTH + GAP.x)
  const lines = ways.map(({ link, way }) => {
    const into = way[way.length - 1]!
    const others = ways.filter((w) => w.way[w.way.length - 1] === into).sort((a, b) => a.way[a.way.length - 2]!.y - b.way[b.way.length - 2]!.y)
    const port = into.y + (others.findIndex((w) => w.link === link) - (others.length - 1) / 2) * PORT
    const points = way.flatMap((c, i) => (i === 0 ? [{ x: x(c.level) + WIDTH, y: c.y }] : i === way.length - 1 ? [{ x: x(c.level), y: port }] : [{ x: x(c.level), y: c.y }, { x: x(c.level) + WIDTH, y: c.y }]))
    return { link, points }
  })
  const all = columns.flat()
  return {
    boxes: [...boxes.values()].map(({ id, y, height, level: at }) => ({ id, x: x(at), y: y - height / 2, height, level: at })), lines,
    width: x(columns.length - 1) + WIDTH + MARGIN, height: Math.max(0, ...all.map((c) => c.y + c.height / 2)) + MARGIN,
  }
}

/** Sorts each column by where its neighbours stand, back and forth, and keeps the order with the fewest crossings. */
function order(columns: Cell[][]) {
  let best = columns.map((c) => [...c])
  let least = crossings(columns)
  for (let i = 0; i < SWEEPS && least > 0; i++) {
    const side = i % 2 === 0 ? 'left' : 'right'
    for (const column of i % 2 === 0 ? columns : [...columns].reverse()) {
      const at = new Map(columns.flatMap((c) => c.map((cell, n): [Cell, number] => [cell, n / c.length])))
      const wish = new Map(column.map((c) => [c, c[side].length ? mean(c[side].map((o) => at.get(o)!)) : at.get(c)!]))
      column.sort((a, b) => wish.get(a)! - wish.get(b)!)
    }
    const n = crossings(columns)
    if (n < least) [best, least] = [columns.map((c) => [...c]), n]
  }
  best.forEach((cells, i) => columns[i]!.splice(0, Infinity, ...cells))
}

export function crossings(columns: readonly (readonly Cell[])[]): number {
  let n = 0
  for (const column of columns) {
    const next = new Map(columns[(column[0]?.level ?? 0) + 1]?.map((c, i) => [c, i]))
    const seen: number[] = []
    for (const c of column) {
      const own = c.right.map((o) => next.get(o)!)
      for (const to of own) n += seen.filter((o) => o > to).length
      seen.push(...own)
    }
  }
  return n
}

const between = (a: Cell, b: Cell) => (a.height + b.height) / 2 + (a.box && b.box ? GAP.y : GAP.line)

function stack(column: Cell[]) {
  column.forEach((c, i) => { c.y = i === 0 ? 0 : column[i - 1]!.y + between(column[i - 1]!, c) })
  const middle = column.length ? (column[0]!.y + column[column.length - 1]!.y) / 2 : 0
  for (const c of column) c.y -= middle
}

/** Moves cells to the height of their neighbours as far as their order leaves room: half pushed down, half pushed up. */
function pull(column: Cell[], side: 'left' | 'right') {
  const wish = column.map((c) => (c[side].length ? mean(c[side].map((o) => o.y)) : c.y))
  const down = [...wish]
  for (let i = 1; i < column.length; i++) down[i] = Math.max(down[i]!, down[i - 1]! + between(column[i - 1]!, column[i]!))
  const up = [...wish]
  for (let i = column.length - 2; i >= 0; i--) up[i] = Math.min(up[i]!, up[i + 1]! - between(column[i]!, column[i + 1]!))
  column.forEach((c, i) => { c.y = (down[i]! + up[i]!) / 2 })
}
