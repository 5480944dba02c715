import { expect, test } from 'vitest'
import { median, quantile, replaceSection, table } from './report.mjs'

test('a section is replaced or appended, the others stay', () => {
  const old = '# Benchmarks\n\n<!-- begin a -->\nold a\n<!-- end a -->\n<!-- begin dashboard -->\nold\n<!-- end dashboard -->\n<!-- begin z -->\nz\n<!-- end z -->\n'
  expect(replaceSection(old, 'dashboard', '\nnew\n\n')).toBe(old.replace('\nold\n', '\nnew\n'))
  expect(replaceSection('# Benchmarks\n', 'dashboard', 'new')).toBe('# Benchmarks\n\n<!-- begin dashboard -->\nnew\n<!-- end dashboard -->\n')
  expect(replaceSection(replaceSection(old, 'dashboard', 'x'), 'dashboard', 'old')).toBe(old)
  expect(() => replaceSection('<!-- begin dashboard -->\nold\n', 'dashboard', 'new')).toThrow('has no end')
})

test('quantiles are values that were measured', () => {
  expect([0, 0.5, 0.95, 1].map((q) => quantile([5, 1, 4, 2, 3], q))).toEqual([1, 3, 5, 5])
  expect(median([10, 9, 100])).toBe(10)
  expect(quantile([], 0.5)).toBe(0)
})

test('a table has columns of one width', () => {
  expect(table(['', 'ms'], [['first', '1234'], ['a']])).toBe('|       | ms   |\n|-------|------|\n| first | 1234 |\n| a     |      |\n')
})
