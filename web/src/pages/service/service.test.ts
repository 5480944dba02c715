import { expect, test } from 'vitest'
import { LogBuffer } from '../../components/logLines'
import { takeFrame } from './follow'

test('frames fill the buffer, a gap is a line, rubbish changes nothing', () => {
  const b = new LogBuffer()
  const line = (text: string) => ({ pos: 0, next: 1, time: '2026-01-02T03:04:05Z', stream: 'stdout', text })
  let next = takeFrame(b, JSON.stringify({ type: 'log', entries: [line('a'), line('b')], next: 7 }), null)
  expect(next).toBe(7)
  next = takeFrame(b, JSON.stringify({ type: 'gap', entries: [], next: 9, text: '12 lines dropped' }), next)
  expect(next).toBe(9)
  expect(takeFrame(b, 'rubbish', next)).toBe(9)
  expect(b.all().map((l) => l.text)).toEqual(['a', 'b', '— 12 lines dropped —'])
})
