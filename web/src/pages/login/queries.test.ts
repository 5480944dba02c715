import { expect, test } from 'vitest'
import { codeOf } from './queries'

test('a code stands behind the # and nowhere else', () => {
  expect(codeOf('#code=a%2Bb')).toBe('a+b')
  for (const hash of ['', '#', '#code=', '#code=%', '#rule']) expect(codeOf(hash)).toBeNull()
})
