// The live view of the server: one WebSocket for the whole application, one store that components read with useLive and
// useCurves. Components never open sockets.
import { useSyncExternalStore } from 'react'
import { api, unwrap, type Service, type SystemFrame } from '../api/client'
import { openSocket } from '../api/early'
import { happened, loadHistory, mergeServices, newCurves, pushFrame, type Curves, type History } from './reduce'
import { LiveSocket, type SocketLike, type SocketOptions } from './socket'

export type Connection = 'connecting' | 'live' | 'lost'

export type LiveState = {
  connection: Connection
  heard: number | null // when the newest frame came, unix ms; what is shown is from then
  system: SystemFrame | null
  services: readonly Service[] | null
}

type StoreOptions = {
  socket: SocketOptions
  history: () => Promise<History>
  onEvents?: () => void // something happened to services: what shows events should ask again
}

export class LiveStore {
  private state: LiveState = { connection: 'connecting', heard: null, system: null, services: null }
  private readonly listeners = new Set<() => void>()
  readonly curves: Curves = newCurves()
  private readonly socket: LiveSocket
  private first: Promise<boolean> | null = null // the history that start asked for, until the socket is open
  onEvents: () => void

  constructor(private readonly o: StoreOptions) {
    this.onEvents = o.onEvents ?? (() => {})
    this.socket = new LiveSocket(o.socket, {
      open: () => void this.opened(),
      message: (data) => this.receive(data),
      lost: () => {
        this.first = null // what it brought has a hole by the time the next socket is open
        this.set({ connection: 'lost' })
      },
    })
  }

  start = () => {
    this.socket.start() // first: where the one of before is closed by now, what was asked for with it is old
    this.first = this.fill() // both at once: the first picture needs both
  }
  stop = () => this.socket.stop()
  hurry = () => this.socket.hurry()
  get = () => this.state
  subscribe = (f: () => void) => {
    this.listeners.add(f)
    return () => void this.listeners.delete(f)
  }

  private set(change: Partial<LiveState>) {
    this.state = { ...this.state, ...change }
    for (const f of this.listeners) f()
  }

  private async opened() {
    const first = this.first
    this.first = null
    if (first === null || !await first) await this.fill()
  }

  private async fill(): Promise<boolean> {
    try {
      const taken = loadHistory(this.curves, await this.o.history())
      this.set({})
      return taken
    } catch {
      return false // the curves begin with what the socket brings; a page that needs the history says so itself
    }
  }

  receive(data: string) {
    let frame: { type?: string } & Record<string, unknown>
    try {
      frame = JSON.parse(data)
    } catch {
      return // not of this server
    }
    const now = { connection: 'live' as const, heard: Date.now() }
    if (frame.type === 'system_stats') {
      const system = frame as unknown as SystemFrame
      pushFrame(this.curves, system)
      this.set({ ...now, system })
    } else if (frame.type === 'service_status') {
      const old = this.state.services ?? []
      const services = mergeServices(old, frame.services as Service[])
      const told = this.state.services !== null && happened(old, services)
      this.set({ ...now, services: this.state.services === null ? frame.services as Service[] : services })
      if (told) this.onEvents()
    }
  }
}

const address = typeof location === 'undefined' ? '' : `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/live`

export const live = new LiveStore({
  socket: { url: address, make: (url) => openSocket(url) as unknown as SocketLike },
  history: () => unwrap(api.GET('/api/system/history', { params: { query: { since: '900' } } })),
})

/** A part of the live state; the component is drawn again when that part changes. */
export function useLive<T>(select: (s: LiveState) => T): T {
  return useSyncExternalStore(live.subscribe, () => select(live.get()))
}

/** The curves and a number that changes whenever they do. */
export function useCurves(): Curves {
  useSyncExternalStore(live.subscribe, () => live.curves.version)
  return live.curves
}

/** Starts the socket and wakes it when the tab or the network comes back. */
export function runLive() {
  live.start()
  const wake = () => {
    if (document.visibilityState === 'visible') live.hurry()
  }
  addEventListener('online', wake)
  document.addEventListener('visibilitychange', wake)
}
