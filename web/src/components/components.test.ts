import { expect, test } from 'vitest'
import { compare, sortOf, sortRows, sortText } from './DataTable'
import { coloured, LogBuffer, plain } from './logLines'

test('the unknown is sorted last in both directions', () => {
  const rows = [{ v: null }, { v: 2 }, { v: 10 }, { v: NaN }]
  const column = { id: 'v', header: 'v', cell: () => null, sort: (r: { v: number | null }) => r.v }
  expect(sortRows(rows, column, false).map((r) => r.v)).toEqual([2, 10, null, NaN])
  expect(sortRows(rows, column, true).map((r) => r.v)).toEqual([10, 2, null, NaN])
  expect(compare('a10', 'a9')).toBeGreaterThan(0)
})

test('a sorting has an address; what is no column of the table is none', () => {
  const columns = [{ id: 'cpu', header: 'CPU', cell: () => null, sort: () => 1 }, { id: 'more', header: '', cell: () => null }]
  for (const s of [{ id: 'cpu', down: true }, { id: 'cpu', down: false }]) expect(sortOf(sortText(s), columns, undefined)).toEqual(s)
  const otherwise = { id: 'cpu', down: true }
  for (const text of ['', '-', 'none', 'more', '-more']) expect(sortOf(text, columns, otherwise)).toBe(otherwise)
})

test('a log keeps the newest lines and counts the others', () => {
  const b = new LogBuffer(100)
  for (let i = 0; i < 1000; i++) b.push([{ text: `line ${i}` }])
  expect(b.length).toBeLessThanOrEqual(125)
  expect(b.all().at(-1)!.text).toBe('line 999')
  expect(b.length + b.dropped).toBe(1000)
  b.push(Array.from({ length: 500 }, (_, i) => ({ text: `more ${i}` })))
  expect(b.length).toBeLessThanOrEqual(125)
  expect(b.length + b.dropped).toBe(1500)
  expect(b.filter('MORE 499', '').length).toBe(1)
})

test('colours are classes, and nothing a process writes becomes markup', () => {
  const html = coloured('\x1b[1;31m<img src=x onerror=alert(1)>\x1b[0m done \x1b[38;2;1;2;3mtrue\x1b[0m')!
  expect(html).toContain('class="ansi-bold ansi-red-fg"')
  expect(html).toContain('&lt;img')
  expect(html).not.toMatch(/style=|<img|<a /)
  expect(coloured('plain <b>')).toBeNull()
  expect(coloured('\x1b]8;;javascript:alert(1)\x1b\\x\x1b]8;;\x1b\\')).not.toMatch(/<a/)
  expect(plain('\x1b[31mred\x1b[0m \x1b]0;title\x07text')).toBe('red text')
})
