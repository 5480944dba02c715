import { expect, test } from 'vitest'
import { UsageHistory } from './usage'

const at = (s: number) => 1_800_000_000_000 + s * 1000
const known = (curve: number[]) => curve.filter((v) => !Number.isNaN(v))

test('the past comes first, then what is new, and nothing twice', () => {
  const h = new UsageHistory()
  expect(h.since).toBe('900')
  h.take({ timestamps: [at(0), at(30), at(60)], services: { web: { cpu_percent: [1, 2, 3], memory: [10, 20, null] } } })
  expect(h.since).toBe('2027-01-15T08:01:00.001Z')
  h.take({ timestamps: [at(60), at(90)], services: { web: { cpu_percent: [99, 4], memory: [99, 40] }, db: { cpu_percent: [null, 5], memory: [null, 50] } } })
  expect(known(h.curve('web', 'cpu'))).toEqual([1, 2, 3, 4])
  expect(known(h.curve('web', 'memory'))).toEqual([10, 20, 40])
  expect(h.curve('web', 'memory').slice(-4)).toEqual([10, 20, NaN, 40])
  expect(known(h.curve('db', 'cpu'))).toEqual([5])
  h.take({ timestamps: [], services: { db: { cpu_percent: [], memory: [] } } }) // nothing new; one is gone
  expect(h.curve('web', 'cpu')).toEqual([])
  expect(known(h.curve('db', 'memory'))).toEqual([50])
})

test('it stays as long as a quarter of an hour', () => {
  const h = new UsageHistory()
  for (let s = 0; s < 86_400; s += 5) h.take({ timestamps: [at(s)], services: { web: { cpu_percent: [s], memory: [s] } } })
  expect(h.curve('web', 'cpu')).toHaveLength(30)
  expect(h.curve('web', 'cpu').at(-1)).toBe(86_400 - 17.5) // the mean of the newest half minute
})
