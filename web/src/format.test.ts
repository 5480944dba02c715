import { expect, test } from 'vitest'
import * as f from './format'

test('bytes have three digits and the right unit', () => {
  expect([0, 1, 1023, 1024, 1536, 10 * 1024, 1023.6 * 1024, 2 ** 30, 23.54 * 2 ** 30, 2 ** 40 * 300].map(f.bytes)).toEqual(
    ['0 B', '1 B', '1023 B', '1.00 KiB', '1.50 KiB', '10.0 KiB', '1.00 MiB', '1.00 GiB', '23.5 GiB', '300 TiB'])
})

test('unknown is a dash everywhere', () => {
  for (const v of [null, undefined, NaN, Infinity]) {
    for (const show of [f.bytes, f.rate, f.percent, f.number, f.duration]) expect(show(v)).toBe('–')
  }
  expect(f.utc(new Date('x'))).toBe('unknown')
  expect(f.ago(new Date('x'), new Date())).toBe('–')
})

test('durations show the two largest units', () => {
  expect([0, 0.05, 0.3, 5.9, 60, 125, 3600, 4 * 3600 + 12 * 60, 86400, 3 * 86400 + 4 * 3600 + 59].map(f.duration)).toEqual(
    ['0 s', '50 ms', '0.3 s', '5 s', '1 min', '2 min 5 s', '1 h', '4 h 12 min', '1 d', '3 d 4 h'])
})

test('percents drop the fraction at the top', () => {
  expect([0, 12.34, 99.94, 99.95, 100].map((v) => f.percent(v))).toEqual(['0.0 %', '12.3 %', '99.9 %', '100 %', '100 %'])
})

test('numbers are written as English writes them', () => {
  for (const v of [0, 7, 999, 1000, 12345, 1234567.891, -1234.5, 0.004, 1e15]) {
    for (const digits of [0, 1, 3]) expect(f.number(v, digits)).toBe(Number(v.toFixed(digits)).toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }))
  }
})

test('moments are short when they are near', () => {
  const now = new Date(2026, 10, 29, 12, 3, 4)
  expect(f.when(now, now)).toBe('12:03:04')
  expect(f.when(new Date(2026, 10, 28, 9, 5), now)).toBe('28 Nov 09:05')
  expect(f.when(new Date(2025, 0, 2), now)).toBe('2 Jan 2025')
  expect(f.ago(new Date(now.getTime() - 40_000), now)).toBe('40 s ago')
  expect(f.ago(new Date(now.getTime() + 1000), now)).toBe('just now')
  expect(f.ago(new Date(now.getTime() + 3000), now)).toBe('in a moment')
  expect(f.ago(new Date(now.getTime() + 3 * 3600_000), now)).toBe('in 3 h')
  expect(f.utc(new Date(Date.UTC(2026, 0, 2, 3, 4, 5)))).toBe('2026-01-02 03:04:05 UTC')
})

test('a curl line survives any shell', () => {
  expect(f.curl('POST', 'http://h/x')).toBe(`curl -X POST 'http://h/x'`)
  expect(f.curl('POST', "http://h/it's", { a: "b'c" })).toBe(`curl --json '{"a":"b'\\''c"}' 'http://h/it'\\''s'`)
  expect(f.curl('DELETE', 'http://h/x')).toBe(`curl -X DELETE 'http://h/x'`)
  expect(f.curl('GET', 'http://h/x', undefined, { save: true })).toBe(`curl -OJ 'http://h/x'`)
  expect(f.curl('POST', 'http://h/x', undefined, { file: "it's.backup" })).toBe(`curl -H 'Content-Type: application/octet-stream' --data-binary '@it'\\''s.backup' 'http://h/x'`)
})
