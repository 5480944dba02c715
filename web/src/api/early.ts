// What the script in the page's head (early.js) has asked for before this one had arrived: each is taken once, by who would ask
// first.
type Early = { socket: WebSocket; got: MessageEvent[] }

declare global {
  interface Window {
    ccAsked?: Record<string, Promise<Response>>
    ccSocket?: Early
  }
}

const page = typeof window === 'undefined' ? undefined : window // in tests of other parts there is none

/** fetch, but for what is asked for already. */
export function ask(input: Request | string, init?: RequestInit): Promise<Response> {
  const asked = page?.ccAsked
  if (asked) {
    const from = new URL(typeof input === 'string' ? input : input.url, page.location.href)
    const path = from.pathname + from.search
    const answer = asked[path]
    if (answer && (init?.method ?? (typeof input === 'string' ? 'GET' : input.method)) === 'GET') {
      delete asked[path]
      return answer.catch(() => fetch(input, init))
    }
  }
  return fetch(input, init)
}

/** Lets what nobody took go: later it would be old. */
export function forgetAsked() {
  if (page) page.ccAsked = undefined
}

/** A socket to an address; the first time the one that is open already, with what came over it. */
export function openSocket(url: string): WebSocket {
  const early = page?.ccSocket
  if (page) page.ccSocket = undefined
  if (!early || early.socket.url !== url) return new WebSocket(url)
  if (early.socket.readyState > WebSocket.OPEN) { // the server was restarted meanwhile
    forgetAsked()
    return new WebSocket(url)
  }
  const { socket, got } = early
  queueMicrotask(() => { // by then who asked listens
    if (socket.readyState === WebSocket.OPEN) socket.onopen?.(new Event('open'))
    for (const e of got) socket.onmessage?.(e)
  })
  return socket
}
