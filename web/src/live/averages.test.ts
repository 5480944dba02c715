import { expect, test } from 'vitest'
import { averages } from './averages'

test('a curve in steps: means, gaps unknown, at most its span', () => {
  expect(averages([100, 102, 104, 110, 131], [10, 20, NaN, 40, 80], 40, 10)).toEqual([15, 40, NaN, 80])
  expect(averages([90, 131], [99, 80], 40, 10)).toEqual([NaN, NaN, NaN, 80])
  expect(averages([], [], 20, 10)).toEqual([NaN, NaN])
})

test('what is past keeps its shape while the curve goes on', () => {
  const before = averages([100, 105, 110], [1, 2, 3], 30, 10)
  const after = averages([100, 105, 110, 112], [1, 2, 3, 9], 30, 10)
  expect(after.slice(0, 2)).toEqual(before.slice(0, 2))
})
