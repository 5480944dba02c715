// A log: only the lines in sight are in the document, colours as classes, follows the end until one scrolls up.
import { useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { Button, TextInput } from '@mantine/core'
import { clock, number, utc } from '../format'
import { useAddress } from './address'
import { Icon } from './icons'
import { coloured, plain, type LogBuffer, type LogLine } from './logLines'
import { EmptyState } from './ui'
import s from './log.module.css'

const STREAMS = ['', 'stdout', 'stderr'] as const
const LINE = 18 // px, as in log.module.css

type Props = {
  label: string
  buffer: LogBuffer
  version: number // buffer.version, so that React sees the change
  height?: number | string
  empty?: ReactNode
  side?: ReactNode // more controls: download, level, files
  following?: boolean // begins at the end and stays there
  at?: string // stands before the names of the filters in the address, where another log is below this one
}

function Text({ line, find }: { line: LogLine; find: string }) {
  const html = coloured(line.text)
  if (html !== null && !find) return <span dangerouslySetInnerHTML={{ __html: html }} />
  const text = plain(line.text)
  const i = find ? text.toLowerCase().indexOf(find.toLowerCase()) : -1
  if (i < 0) return <span>{text}</span>
  return <span>{text.slice(0, i)}<mark>{text.slice(i, i + find.length)}</mark>{text.slice(i + find.length)}</span>
}

export function LogView({ label, buffer, version, height = '60dvh', empty, side, following = true, at: prefix = '' }: Props) {
  const { get, set } = useAddress()
  const find = get(`${prefix}find`)
  const stream = STREAMS.find((x) => x === get(`${prefix}stream`)) ?? ''
  const wrap = get(`${prefix}wrap`) === '1'
  const [follow, setFollow] = useState(following)
  const place = useRef<HTMLDivElement>(null)
  const lines = useMemo(() => buffer.filter(find, stream), [buffer, version, find, stream])
  const v = useVirtualizer({
    count: lines.length, getScrollElement: () => place.current, estimateSize: () => LINE, overscan: 20,
  })
  const total = lines.length

  useLayoutEffect(() => {
    if (!follow || total === 0) return
    // Lines of one height need no search for the end: that reads the layout in each frame until it is sure, which costs more
    // than everything else when thousands of lines a second come.
    if (wrap) v.scrollToIndex(total - 1, { align: 'end' })
    else place.current!.scrollTop = total * LINE
  }, [follow, total, version, wrap, v])

  const onScroll = () => {
    const el = place.current!
    const atEnd = el.scrollHeight - el.scrollTop - el.clientHeight < 30
    if (atEnd) setFollow(true)
  }
  const away = () => {
    const el = place.current!
    if (el.scrollHeight > el.clientHeight + 30) setFollow(false)
  }

  return (
    <div className={s.log} style={{ height }}>
      <div className={s.bar}>
        <TextInput size="xs" placeholder="Filter lines" aria-label="Filter lines" value={find} onChange={(e) => set({ [`${prefix}find`]: e.currentTarget.value })} leftSection={<Icon name="search" size={14} />} data-search />
        {STREAMS.map((x) => (
          <Button key={x} size="xs" variant={stream === x ? 'light' : 'subtle'} color={stream === x ? undefined : 'gray'} aria-pressed={stream === x} onClick={() => set({ [`${prefix}stream`]: x })}>{x || 'all'}</Button>
        ))}
        <Button size="xs" variant={wrap ? 'light' : 'subtle'} color={wrap ? undefined : 'gray'} aria-pressed={wrap} leftSection={<Icon name="wrap" size={14} />} onClick={() => set({ [`${prefix}wrap`]: wrap ? null : '1' })}>wrap</Button>
        <Button size="xs" variant={follow ? 'light' : 'subtle'} color={follow ? undefined : 'gray'} aria-pressed={follow} onClick={() => setFollow(!follow)}>follow</Button>
        {side}
        <span className={s.count}>{number(total)} {total === 1 ? 'line' : 'lines'}{buffer.dropped ? `, ${number(buffer.dropped)} older not kept here` : ''}</span>
      </div>
      <div className={s.holder}>
        {total === 0 ? (empty ?? <EmptyState icon="logs" title={find || stream ? 'No line matches' : 'No lines yet'} />) : (
          <div ref={place} className={s.lines} tabIndex={0} role="log" aria-label={label} aria-live="off" onScroll={onScroll}
            onWheel={(e) => e.deltaY < 0 && away()} onTouchMove={away} onKeyDown={(e) => ['ArrowUp', 'PageUp', 'Home'].includes(e.key) && away()}>
            <div style={{ height: v.getTotalSize(), position: 'relative' }}>
              {v.getVirtualItems().map((item) => {
                const l = lines[item.index]!
                const at = l.at ? new Date(l.at) : null
                return (
                  <div key={item.key} data-index={item.index} ref={wrap ? v.measureElement : undefined}
                    className={`${s.line} ${wrap ? s.wrapped : ''} ${l.stream === 'stderr' ? s.stderr : ''}`} style={{ transform: `translateY(${item.start}px)` }}>
                    {at ? <time className={s.time} title={utc(at)}>{clock(at)}</time> : null}
                    <Text line={l} find={find} />
                  </div>
                )
              })}
            </div>
          </div>
        )}
        {!follow && total > 0 ? <Button className={s.jump} size="xs" leftSection={<Icon name="down" size={14} />} onClick={() => setFollow(true)}>Newest</Button> : null}
      </div>
    </div>
  )
}
