import { expect, test } from 'vitest'
import { LogBuffer } from '../../components/logLines'
import { takeFrame } from './follow'
import { atLeast, levelOf } from './level'

test('a level is read from where programs write it', () => {
  expect(levelOf('2026-01-02 ERROR it broke')).toBe('error')
  expect(levelOf('time=… level=warn msg="an error is mentioned"')).toBe('warn')
  expect(levelOf('{"level":"debug","msg":"x"}')).toBe('debug')
  expect(levelOf('\x1b[31mFATAL\x1b[0m gone')).toBe('error')
  expect(levelOf('terrors and mirrors')).toBe('info')
  expect(levelOf('x'.repeat(200) + ' error')).toBe('info')
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
