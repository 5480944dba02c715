// One WebSocket that comes back by itself. It tells four things: connecting, open, a message, lost. A connection that is
// silent for `silence` counts as lost: a network that swallows packets closes nothing.

export type SocketEvents = {
  open(): void
  message(data: string): void
  lost(retryAt: number): void
}

export type SocketLike = {
  onopen: (() => void) | null
  onmessage: ((e: { data: unknown }) => void) | null
  onclose: (() => void) | null
  onerror: (() => void) | null
  close(): void
}

export type SocketOptions = {
  url: string
  make?: (url: string) => SocketLike
  random?: () => number
  first?: number // wait before the first retry, ms
  most?: number // longest wait
  silence?: number // without a message it counts as lost
}

/** How long to wait before retry n (from 0): doubled each time, capped, and between half and all of it by chance, so that many clients do not come back at once. */
export function backoff(n: number, first: number, most: number, random: () => number): number {
  const full = Math.min(most, first * 2 ** Math.min(n, 20))
  return full / 2 + (full / 2) * random()
}

export class LiveSocket {
  private socket: SocketLike | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private watchdog: ReturnType<typeof setTimeout> | undefined
  private tries = 0
  private stopped = true
  private readonly o: Required<SocketOptions>

  constructor(options: SocketOptions, private readonly events: SocketEvents) {
    this.o = {
      make: (url) => new WebSocket(url) as unknown as SocketLike,
      random: Math.random, first: 500, most: 15_000, silence: 8_000, ...options,
    }
  }

  start() {
    if (!this.stopped) return
    this.stopped = false
    this.connect()
  }

  stop() {
    this.stopped = true
    this.drop()
    clearTimeout(this.timer)
  }

  /** Tries at once when a retry is waited for: the network is back, or the tab is looked at again. */
  hurry() {
    if (this.stopped || this.socket) return
    clearTimeout(this.timer)
    this.connect()
  }

  private connect() {
    const s = this.o.make(this.o.url)
    this.socket = s
    const mine = () => this.socket === s
    s.onopen = () => {
      if (mine()) this.events.open()
    }
    s.onmessage = (e) => {
      if (!mine()) return
      this.tries = 0 // it speaks: only now is it a success
      this.watch()
      if (typeof e.data === 'string') this.events.message(e.data)
    }
    s.onclose = s.onerror = () => {
      if (mine()) this.retry()
    }
    this.watch()
  }

  private watch() {
    clearTimeout(this.watchdog)
    this.watchdog = setTimeout(() => this.retry(), this.o.silence)
  }

  private retry() {
    this.drop()
    if (this.stopped) return
    const wait = backoff(this.tries++, this.o.first, this.o.most, this.o.random)
    this.events.lost(Date.now() + wait)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.connect(), wait)
  }

  private drop() {
    clearTimeout(this.watchdog)
    const s = this.socket
    this.socket = null
    if (!s) return
    s.onopen = s.onmessage = s.onclose = s.onerror = null
    s.close()
  }
}
