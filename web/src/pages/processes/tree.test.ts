import { expect, test } from 'vitest'
import { tree } from './tree'

const rows = [{ pid: 3, ppid: 2 }, { pid: 1, ppid: 0 }, { pid: 2, ppid: 1 }, { pid: 9, ppid: 7 }, { pid: 4, ppid: 1 }]
const byPid = (a: { pid: number }, b: { pid: number }) => a.pid - b.pid
const shape = (list: ReturnType<typeof tree>) => list.map((p) => `${' '.repeat(p.depth)}${p.row.pid}`)

test('parents come before children; one whose parent is not there is a root', () => {
  expect(shape(tree(rows, () => true, byPid))).toEqual(['1', ' 2', '  3', ' 4', '9'])
})

test('what matches keeps its parents', () => {
  expect(shape(tree(rows, (r) => r.pid === 3, byPid))).toEqual(['1', ' 2', '  3'])
})

test('a ring ends', () => {
  expect(tree([{ pid: 5, ppid: 6 }, { pid: 6, ppid: 5 }], () => true, byPid).length).toBeLessThanOrEqual(2)
})
