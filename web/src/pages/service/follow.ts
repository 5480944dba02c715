// Follows the log of a service over a WebSocket of its own. After a break it goes on where it was: no line is missed or shown
// twice. Lines are taken in as they come, but drawn at most ten times a second.
import { useEffect, useReducer, useState } from 'react'
import type { Schemas } from '../../api/client'
import { LogBuffer, type LogLine } from '../../components/logLines'
import { LiveSocket, type SocketLike } from '../../live/socket'

const DRAW_EVERY = 100 // ms
const BEGIN_WITH = 1000 // lines
const QUIET_FOREVER = 2 ** 31 - 1 // a log may say nothing for days; the server pings by itself

type Frame = { type: 'log' | 'gap'; entries: Schemas['LogLine'][] | null; next: number; text?: string }

export const lineOf = (l: Schemas['LogLine']): LogLine => ({ at: l.time, stream: l.stream, text: l.text })

/** Takes a frame into the buffer and answers the position to go on from. */
export function takeFrame(buffer: LogBuffer, data: string, next: number | null): number | null {
  let f: Frame
  try {
    f = JSON.parse(data)
  } catch {
    return next // not of this server
  }
  if (f.type === 'gap') buffer.push([{ stream: 'stderr', text: `— ${f.text || 'lines are missing here'} —` }])
  else if (f.entries?.length) buffer.push(f.entries.map(lineOf))
  return typeof f.next === 'number' ? f.next : next
}

export type Following = { buffer: LogBuffer; version: number; state: 'connecting' | 'live' | 'lost' }

export function useFollow(service: string, on: boolean, level: string | null = null): Following {
  const [buffer, setBuffer] = useState(() => new LogBuffer())
  const [state, setState] = useState<Following['state']>('connecting')
  const [, draw] = useReducer((n: number) => n + 1, 0)

  useEffect(() => {
    if (!on) return
    const mine = new LogBuffer()
    setBuffer(mine)
    setState('connecting')
    let next: number | null = null
    let timer: ReturnType<typeof setTimeout> | undefined
    const base = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/services/${encodeURIComponent(service)}/logs/ws`
    const socket = new LiveSocket({
      url: base, silence: QUIET_FOREVER,
      make: () => new WebSocket(`${base}?${next === null ? `lines=${BEGIN_WITH}` : `after=${next}`}${level ? `&level=${level}` : ''}`) as unknown as SocketLike,
    }, {
      open: () => setState('live'),
      lost: () => setState('lost'),
      message: (data) => {
        next = takeFrame(mine, data, next)
        timer ??= setTimeout(() => {
          timer = undefined
          draw()
        }, DRAW_EVERY)
      },
    })
    const begin = setTimeout(() => socket.start(), 0) // a view that goes away at once opens nothing
    return () => {
      clearTimeout(begin)
      clearTimeout(timer)
      socket.stop()
    }
  }, [service, on, level])

  return { buffer, version: buffer.version, state }
}
