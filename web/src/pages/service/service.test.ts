import { expect, test } from 'vitest'
import cases from '../../../../control/logs/testdata/levels.json'
import { LogBuffer } from '../../components/logLines'
import { takeFrame } from './follow'
import { atLeast, levelOf } from './level'

test('a level is read as the server reads it', () => {
  for (const [text, level] of cases as [string, string][]) expect(levelOf(text), text).toBe(level)
})

test('at least warn lets errors pass, and the test stays the same function', () => {
  const warn = atLeast('warn')!
  expect([{ text: 'error' }, { text: 'warn' }, { text: 'hello' }].map(warn)).toEqual([true, true, false])
  expect(atLeast('warn')).toBe(warn)
  expect(atLeast(null)).toBeUndefined()
})

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
