import { afterEach, beforeEach, expect, test, vi } from 'vitest'

// The page as early.js leaves it.
class FakeSocket {
  static OPEN = 1
  readyState = 1
  onopen: (() => void) | null = null
  onmessage: ((e: unknown) => void) | null = null
  constructor(readonly url: string) {}
}

const page = { location: { href: 'http://h/' } } as unknown as Window
let asked: string[]

beforeEach(() => {
  asked = []
  vi.resetModules()
  vi.stubGlobal('window', page)
  vi.stubGlobal('WebSocket', FakeSocket)
  vi.stubGlobal('fetch', (input: Request | string) => {
    asked.push(typeof input === 'string' ? input : input.url)
    return Promise.resolve(new Response('late'))
  })
  const failed = Promise.reject<Response>(new TypeError('no network'))
  failed.catch(() => {}) // as early.js does
  page.ccAsked = { '/api/a?x=1': Promise.resolve(new Response('early')), '/api/b': failed }
})
afterEach(() => vi.unstubAllGlobals())

test('an answer that was asked for early is taken once, by the same path only', async () => {
  const { ask, forgetAsked } = await import('./early')
  expect(await (await ask('/api/a')).text()).toBe('late')
  expect(await (await ask('/api/a?x=1', { method: 'POST' })).text()).toBe('late')
  expect(await (await ask(new Request('http://h/api/a?x=1'))).text()).toBe('early')
  expect(await (await ask('/api/a?x=1')).text()).toBe('late')
  expect(asked).toEqual(['/api/a', '/api/a?x=1', '/api/a?x=1'])
  forgetAsked()
  expect(await (await ask('/api/b')).text()).toBe('late')
})

test('what failed early is asked for again', async () => {
  const { ask } = await import('./early')
  expect(await (await ask('/api/b')).text()).toBe('late')
  expect(asked).toEqual(['/api/b'])
})

test('the early socket tells what came before anybody listened', async () => {
  const { openSocket } = await import('./early')
  const early = new FakeSocket('ws://h/api/live')
  page.ccSocket = { socket: early as unknown as WebSocket, got: [{ data: '1' } as MessageEvent, { data: '2' } as MessageEvent] }
  const told: unknown[] = []
  const socket = openSocket('ws://h/api/live')
  socket.onopen = () => told.push('open')
  socket.onmessage = (e) => told.push(e.data)
  await Promise.resolve()
  expect(socket).toBe(early)
  expect(told).toEqual(['open', '1', '2'])
  expect(openSocket('ws://h/api/live')).not.toBe(early)
})

test('a socket that is closed by then, or of another address, is not taken', async () => {
  const { openSocket } = await import('./early')
  const early = new FakeSocket('ws://h/api/live')
  early.readyState = 3
  page.ccSocket = { socket: early as unknown as WebSocket, got: [] }
  expect(openSocket('ws://h/api/live')).not.toBe(early)
  expect(page.ccAsked).toBe(undefined) // what was answered before that is old
  page.ccSocket = { socket: new FakeSocket('ws://other/api/live') as unknown as WebSocket, got: [] }
  expect(openSocket('ws://h/api/live').url).toBe('ws://h/api/live')
})
