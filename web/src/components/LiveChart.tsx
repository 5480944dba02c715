// A curve that goes on: uPlot in the theme's colours, as wide as its place, read out as text for who cannot see it.
import { useLayoutEffect, useRef, useState } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { clock, utc } from '../format'
import { useTheme } from '../shell/theme'
import s from './chart.module.css'
import ui from './ui.module.css'

export type Series = { label: string; color: '--c1' | '--c2' | '--c3' | '--c4'; fill?: boolean }

type Props = {
  title: string
  series: Series[]
  data: () => (Float64Array | number[])[] // times in unix seconds, then one column per series
  version: number // changes when the data did
  format: (v: number | null) => string // in the legend
  axis?: (v: number) => string // at the axis; format when left out
  height?: number
  max?: number // upper end of the scale; grows with the data when left out
  least?: number // the scale reaches at least so far
  window?: number // seconds shown
  binary?: boolean // ticks at powers of two: bytes
}

// The theme's values by name, read once per theme: each reading computes the styles of the page.
const known = new Map<string, Map<string, string>>()
function colors(scheme: string) {
  let of = known.get(scheme)
  if (!of) known.set(scheme, (of = new Map()))
  const values = of
  return (name: string) => {
    let v = values.get(name)
    if (v === undefined) values.set(name, (v = getComputedStyle(document.documentElement).getPropertyValue(name).trim()))
    return v
  }
}

const BINARY = Array.from({ length: 50 }, (_, i) => 2 ** i)

export function LiveChart(p: Props) {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<uPlot | null>(null)
  const props = useRef(p)
  props.current = p
  const { scheme } = useTheme()
  const [at, setAt] = useState<number | null>(null) // index under the cursor
  const height = p.height ?? 148
  const labels = p.series.map((x) => x.label).join()

  // Before the first frame: an effect after it would have the page laid out and painted twice.
  useLayoutEffect(() => {
    const el = place.current!
    const make = (width: number) => {
      const color = colors(scheme) // here, not before: now the page has the scheme
      const grid = { stroke: color('--line'), width: 1 }
      const font = `11px ${color('--font')}`
      return new uPlot({
        width: Math.max(width, 80), height,
        legend: { show: false },
        cursor: { sync: { key: 'live' }, points: { size: 7 }, drag: { x: false, y: false }, y: false },
        scales: {
          x: { time: true, range: () => {
            const t = props.current.data()[0]
            const end = t?.length ? t[t.length - 1]! : Date.now() / 1000
            return [end - (props.current.window ?? 900), end]
          } },
          y: { range: (_u, _min, max) => {
            const q = props.current
            if (q.max !== undefined) return [0, q.max]
            const top = Math.max(Number.isFinite(max) ? max * 1.12 : 0, q.least ?? 1)
            return [0, top]
          } },
        },
        axes: [
          { stroke: color('--faint'), font, grid: { show: false }, ticks: { show: false }, space: 84, size: 24, gap: 4,
            values: (_u, ticks) => ticks.map((t) => { const d = new Date(t * 1000); return `${String(d.getHours()).padStart(2, '0')}:${String(d.getMinutes()).padStart(2, '0')}` }) },
          { stroke: color('--faint'), font, grid, ticks: { show: false }, size: 68, gap: 6, space: 36, incrs: p.binary ? BINARY : undefined,
            values: (_u, ticks) => ticks.map((v) => (props.current.axis ?? props.current.format)(v).replace(/\.0+(?= )/, '')) },
        ],
        series: [{}, ...p.series.map((x) => ({
          label: x.label, stroke: color(x.color), width: 1.6, points: { show: false }, spanGaps: false,
          fill: x.fill === false ? undefined : color(x.color) + '1c',
        }))],
        hooks: { setCursor: [(c) => setAt(c.cursor.idx ?? null)] },
      }, props.current.data() as uPlot.AlignedData, el)
    }
    // The observer tells the width when the layout is done anyway. Asking for it here would lay the page out once per chart.
    const watcher = new ResizeObserver((seen) => {
      const width = Math.round(seen[seen.length - 1]!.contentRect.width)
      const u = chart.current
      if (u === null) {
        chart.current = make(width)
        chart.current.root.setAttribute('aria-hidden', 'true')
      } else if (width > 0 && Math.abs(width - u.width) > 1) u.setSize({ width, height })
    })
    watcher.observe(el)
    return () => {
      watcher.disconnect()
      chart.current?.destroy()
      chart.current = null
    }
  }, [scheme, height, labels, p.binary])

  useLayoutEffect(() => { // not in the first frame, whose chart is yet to be made
    chart.current?.setData(p.data() as uPlot.AlignedData)
  }, [p.version, p.data])

  const data = p.data()
  const value = (i: number, from: number | null) => {
    const column = data[i + 1]
    const v = column?.[from ?? column.length - 1]
    return v === undefined || Number.isNaN(v) ? null : v
  }
  const said = p.series.map((x, i) => `${x.label} ${p.format(value(i, null))}`).join(', ')
  return (
    <figure className={ui.card} style={{ margin: 0 }} role="img" aria-label={`${p.title}, last ${Math.round((p.window ?? 900) / 60)} minutes. Now: ${said}`}>
      <div className={s.head}>
        <h2>{p.title}</h2>
        <div className={s.legend}>
          {at !== null && data[0]?.[at] !== undefined ? <time title={utc(new Date(data[0][at]! * 1000))}>{clock(new Date(data[0][at]! * 1000))}</time> : null}
          {p.series.map((x, i) => (
            <span key={x.label} className={s.key} style={{ '--key': `var(${x.color})` } as React.CSSProperties}>{x.label} <b>{p.format(value(i, at))}</b></span>
          ))}
        </div>
      </div>
      <div ref={place} className={s.plot} style={{ height: height + 4 }} />
    </figure>
  )
}

/** A small curve without axes: the last `points` values. */
export function Sparkline({ values, width = 72, height = 22, max, color = 'var(--c1)', label }: {
  values: ArrayLike<number>; width?: number; height?: number; max?: number; color?: string; label?: string
}) {
  const points: string[] = []
  const n = values.length
  let top = max ?? 0
  if (max === undefined) for (let i = 0; i < n; i++) if (values[i]! > top) top = values[i]!
  for (let i = 0; i < n; i++) {
    const v = values[i]!
    if (Number.isNaN(v)) continue
    const x = n === 1 ? width : (i / (n - 1)) * width
    const y = height - 1 - (top > 0 ? Math.min(v / top, 1) : 0) * (height - 2)
    points.push(`${x.toFixed(1)},${y.toFixed(1)}`)
  }
  return (
    <svg className={s.spark} width={width} height={height} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role={label ? 'img' : undefined} aria-label={label} aria-hidden={label ? undefined : true}>
      {points.length > 1 ? (
        <>
          <polygon points={`${points[0]!.split(',')[0]},${height} ${points.join(' ')} ${width},${height}`} fill={color} opacity="0.13" />
          <polyline points={points.join(' ')} fill="none" stroke={color} strokeWidth="1.4" strokeLinejoin="round" strokeLinecap="round" />
        </>
      ) : null}
    </svg>
  )
}
