import { expect, test } from 'vitest'
import { exactOf, valueOf } from './value'

test('values are read in their unit', () => {
  expect(valueOf(0.8612, 'ratio')).toBe('86.1 %')
  expect(valueOf(0, 'ratio')).toBe('0.0 %')
  expect(valueOf(91, 'celsius')).toBe('91 °C')
  expect(valueOf(12_000, 'seconds')).toBe('3 h 20 min')
  expect(valueOf(-120, 'seconds')).toBe('over since 2 min')
  expect(valueOf(8 << 20, 'bytes per second')).toBe('8.00 MiB/s')
  expect(valueOf(4, 'crashes in 15 minutes')).toBe('4 crashes in 15 minutes')
})

test('yes and no are no numbers, and neither is what is not known', () => {
  expect(valueOf(1, '')).toBeNull()
  expect(valueOf(null, 'ratio')).toBeNull()
  expect(valueOf(NaN, 'ratio')).toBeNull()
})

test('the exact value is there too', () => {
  expect(exactOf(0.8612, 'ratio')).toBe('0.8612 ratio')
  expect(exactOf(12_000, 'seconds')).toBe('12,000 seconds')
})
