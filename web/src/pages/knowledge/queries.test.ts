import { describe, expect, test } from 'vitest'
import { marked, playTime, queryOf, withJob, type ScanJob } from './queries'
import { withQuery } from '../../api/rest'
import { changed } from '../../components/address'

const none = { text: '', agent: '', category: '', creator: '', confidence: '', page: 1 }

describe('queryOf', () => {
  test('nothing is an empty query', () => expect(queryOf(none)).toBe(''))
  test('filters stand behind the text, names with blanks in quotes', () =>
    expect(queryOf({ ...none, text: ' light ', agent: 'art-director', creator: 'Harbor Notes', confidence: '0.8' })).toBe('light agent:art-director creator:"Harbor Notes" confidence>=0.8'))
  test('a quote in a name does not end the name', () => expect(queryOf({ ...none, creator: 'a "b" c' })).toBe('creator:"a b c"'))
})

test('times as players show them', () => {
  expect(playTime(150)).toBe('2:30')
  expect(playTime(3750.9)).toBe('1:02:30')
})

test('marks are found in any letter case, and signs in them are no patterns', () => {
  expect(marked('Light, more light (2.0)', [{ text: 'light', match: true }, { text: '2.0', match: true }, { text: 'more', match: false }]).filter((x) => x.match).map((x) => x.text)).toEqual(['Light', 'light', '2.0'])
  expect(marked('as is', [])).toEqual([{ text: 'as is', match: false }])
  expect(marked('a(b', [{ text: '(', match: true }]).map((x) => x.text).join('')).toBe('a(b')
})

test('a job takes the place of its older state, a new one comes first', () => {
  const job = (id: string, status: string) => ({ id, status }) as ScanJob
  expect(withJob([job('a', 'running'), job('b', 'completed')], job('a', 'completed')).map((j) => j.id + j.status)).toEqual(['acompleted', 'bcompleted'])
  expect(withJob([job('a', 'running')], job('b', 'queued')).map((j) => j.id)).toEqual(['b', 'a'])
})

test('addresses leave out what is empty', () => {
  expect(withQuery('/x', { a: '', b: null, c: 0, d: false, e: 'ä b' })).toBe('/x?c=0&e=%C3%A4+b')
  expect(changed(new URLSearchParams('a=1&b=2'), { a: null, c: '3' }).toString()).toBe('b=2&c=3')
})
