import { expect, test } from 'vitest'
import { layout, WIDTH } from './layout'

const at = (ids: string[], levels: number[]) => new Map(ids.map((id, i) => [id, levels[i]!]))

test('what is needed stands left, in a column each', () => {
  const ids = ['db', 'api', 'web']
  const p = layout(ids, at(ids, [0, 1, 2]), [{ from: 'api', to: 'db' }, { from: 'web', to: 'api' }])
  expect(p.boxes.map((b) => b.level)).toEqual([0, 1, 2])
  expect(p.boxes[1]!.x).toBeGreaterThan(p.boxes[0]!.x + WIDTH)
  expect(new Set(p.boxes.map((b) => b.y)).size).toBe(1) // a chain is a straight line
  expect(p.lines[0]!.points).toEqual([{ x: p.boxes[0]!.x + WIDTH, y: p.boxes[0]!.y + 29 }, { x: p.boxes[1]!.x, y: p.boxes[1]!.y + 29 }])
})

test('no boxes overlap, all are inside, lines pass between boxes', () => {
  let seed = 7 // a small generator, so that a failure comes again
  const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n
  for (let round = 0; round < 40; round++) {
    const ids = Array.from({ length: 2 + random(30) }, (_, i) => `s${i}`)
    const links = ids.flatMap((from, i) => ids.slice(0, i).filter(() => random(6) === 0).map((to) => ({ from, to })))
    const levels = new Map<string, number>()
    for (const id of ids) levels.set(id, Math.max(0, ...links.filter((l) => l.from === id).map((l) => levels.get(l.to)! + 1)))
    const p = layout(ids, levels, links)
    expect(p.lines.length).toBe(links.length)
    const wrong: unknown[] = [] // asserted once: there are many pairs
    for (const b of p.boxes) {
      if (b.y < 0 || b.x + WIDTH > p.width || b.y + b.height > p.height) wrong.push(['outside', b])
      for (const o of p.boxes) if (o !== b && o.level === b.level && Math.abs(o.y + o.height / 2 - b.y - b.height / 2) < (o.height + b.height) / 2) wrong.push(['overlap', o, b])
      for (const { points } of p.lines) if (points.slice(1, -1).some((q) => q.x >= b.x && q.x <= b.x + WIDTH && q.y > b.y && q.y < b.y + b.height)) wrong.push(['a line through', b])
    }
    expect(wrong).toEqual([])
  }
})

test('an order without crossings is found', () => {
  const ids = ['a', 'b', 'c', 'x', 'y', 'z']
  const p = layout(ids, at(ids, [0, 0, 0, 1, 1, 1]), [{ from: 'x', to: 'c' }, { from: 'y', to: 'a' }, { from: 'z', to: 'b' }])
  const y = Object.fromEntries(p.boxes.map((b) => [b.id, b.y]))
  const order = (list: string[]) => [...list].sort((a, b) => y[a]! - y[b]!)
  expect(order(['x', 'y', 'z']).map((id) => ({ x: 'c', y: 'a', z: 'b' })[id])).toEqual(order(['a', 'b', 'c']))
})

test('nothing is nothing, and links to what is not there are left out', () => {
  expect(layout([], new Map(), []).boxes).toEqual([])
  expect(layout(['a'], new Map(), [{ from: 'a', to: 'gone' }]).lines).toEqual([])
})
