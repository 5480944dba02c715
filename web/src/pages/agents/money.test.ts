import { expect, test } from 'vitest'
import { dollars } from './money'

test('dollars have the digits that say something', () => {
  expect([0, 0.0042, 0.812, 12.5, 1234.5, -3, null, NaN].map(dollars)).toEqual(['$0', '$0.0042', '$0.81', '$12.50', '$1,235', '-$3.00', '–', '–'])
})
