// A table for lists of any length: sorted by a click on a heading, only the rows in sight are in the document when there are
// many, arrow keys move, Enter opens. On phones each row is a card when the page says how one looks.
import { useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useAddress } from './address'
import { Icon } from './icons'
import { usePhone } from './values'
import s from './table.module.css'

export type Column<T> = {
  id: string
  header: ReactNode
  cell: (row: T) => ReactNode
  sort?: (row: T) => number | string | null | undefined
  right?: boolean
  width?: number | string
  label?: string // spoken name when the header is no text
}

export type Sort = { id: string; down: boolean }

type Props<T> = {
  label: string
  rows: readonly T[]
  columns: Column<T>[]
  rowKey: (row: T) => string
  initialSort?: Sort
  onOpen?: (row: T) => void
  card?: (row: T) => ReactNode
  empty: ReactNode
  rowHeight?: number
  height?: number | string // of the scrolled area; rows beyond are virtual
  selected?: (row: T) => boolean
}

const VIRTUAL_FROM = 80

export function compare(a: number | string | null | undefined, b: number | string | null | undefined): number {
  const none = (v: unknown) => v === null || v === undefined || (typeof v === 'number' && Number.isNaN(v))
  if (none(a) || none(b)) return Number(none(a)) - Number(none(b)) // the unknown comes last
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true })
}

export function sortRows<T>(rows: readonly T[], column: Column<T> | undefined, down: boolean): readonly T[] {
  const by = column?.sort
  if (!by) return rows
  return [...rows].sort((a, b) => {
    const x = by(a), y = by(b)
    const n = compare(x, y)
    const unknown = compare(x, null) === 0 || compare(y, null) === 0
    return down && !unknown ? -n : n
  })
}

/** A sorting as it stands in an address: `cpu` rises, `-cpu` falls. */
export const sortText = (s: Sort | undefined) => (s ? `${s.down ? '-' : ''}${s.id}` : '')

/** The sorting that an address asks for, when there is such a column. */
export function sortOf<T>(text: string, columns: readonly Column<T>[], otherwise: Sort | undefined): Sort | undefined {
  const down = text.startsWith('-')
  const id = down ? text.slice(1) : text
  return columns.some((c) => c.id === id && c.sort) ? { id, down } : otherwise
}

export function DataTable<T>(p: Props<T>) {
  const { get, set } = useAddress() // one table to a page
  const sort = sortOf(get('sort'), p.columns, p.initialSort)
  const sortBy = (s: Sort) => set({ sort: sortText(s) === sortText(p.initialSort) ? null : sortText(s) })
  const phone = usePhone()
  const scroll = useRef<HTMLDivElement>(null)
  const [active, setActive] = useState(0)
  const rowHeight = p.rowHeight ?? 44
  const rows = useMemo(() => sortRows(p.rows, p.columns.find((c) => c.id === sort?.id), sort?.down ?? false), [p.rows, p.columns, sort?.id, sort?.down])
  const virtual = rows.length > VIRTUAL_FROM
  const v = useVirtualizer({ count: rows.length, getScrollElement: () => scroll.current, estimateSize: () => rowHeight, overscan: 12, enabled: virtual })

  if (rows.length === 0) return <>{p.empty}</>
  if (phone && p.card && !virtual) {
    return <ul className={s.cards} aria-label={p.label}>{rows.map((r) => <li key={p.rowKey(r)}>{p.card!(r)}</li>)}</ul>
  }

  const items = virtual ? v.getVirtualItems() : null
  const shown = items ? items.map((i) => i.index) : rows.map((_, i) => i)
  const before = items?.[0]?.start ?? 0
  const after = items?.length ? v.getTotalSize() - items[items.length - 1]!.end : 0
  const current = Math.min(active, rows.length - 1)

  const go = (i: number) => {
    const to = Math.max(0, Math.min(rows.length - 1, i))
    setActive(to)
    if (virtual) v.scrollToIndex(to)
    requestAnimationFrame(() => scroll.current?.querySelector<HTMLElement>(`tr[data-index="${to}"]`)?.focus())
  }
  const onKey = (e: KeyboardEvent<HTMLTableSectionElement>) => {
    if (!(e.target instanceof HTMLTableRowElement)) return
    const step: Record<string, number> = { ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + 12, PageUp: current - 12, Home: 0, End: rows.length - 1 }
    if (e.key in step) {
      e.preventDefault()
      go(step[e.key]!)
    } else if (e.key === 'Enter' && p.onOpen) {
      p.onOpen(rows[current]!)
    }
  }
  const clickable = (e: React.MouseEvent) => !(e.target as HTMLElement).closest('button, a, input, label, [role="menu"]')

  return (
    <div className={s.scroll} ref={scroll} tabIndex={0} role="region" aria-label={p.label}
      style={{ '--row': `${rowHeight}px`, maxHeight: p.height ?? (virtual ? 'calc(100dvh - 190px)' : undefined) } as React.CSSProperties}>
      <table className={s.table} aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            {p.columns.map((c) => (
              <th key={c.id} className={c.right ? s.right : undefined} style={{ width: c.width }} scope="col"
                aria-sort={c.sort ? (sort?.id === c.id ? (sort.down ? 'descending' : 'ascending') : 'none') : undefined}>
                {c.sort ? (
                  <button type="button" className={s.sort} data-on={sort?.id === c.id || undefined}
                    onClick={() => sortBy({ id: c.id, down: sort?.id === c.id ? !sort.down : Boolean(c.right) })}>
                    {c.header}<Icon name={sort?.id !== c.id ? 'sort' : sort.down ? 'down' : 'up'} size={12} />
                  </button>
                ) : (c.label ? <span className="hidden-text">{c.label}</span> : null) ?? c.header}
                {!c.sort && c.label ? c.header : null}
              </th>
            ))}
          </tr>
        </thead>
        <tbody onKeyDown={onKey}>
          {before > 0 ? <tr aria-hidden><td colSpan={p.columns.length} style={{ height: before, padding: 0, border: 0 }} /></tr> : null}
          {shown.map((i) => {
            const row = rows[i]!
            return (
              <tr key={p.rowKey(row)} data-index={i} aria-rowindex={i + 2} tabIndex={i === current ? 0 : -1} className={`${s.row} ${p.onOpen ? s.link : ''}`}
                aria-selected={p.selected ? p.selected(row) : undefined} onFocus={() => setActive(i)}
                onClick={p.onOpen ? (e) => clickable(e) && p.onOpen!(row) : undefined}>
                {p.columns.map((c) => <td key={c.id} className={c.right ? s.right : undefined}>{c.cell(row)}</td>)}
              </tr>
            )
          })}
          {after > 0 ? <tr aria-hidden><td colSpan={p.columns.length} style={{ height: after, padding: 0, border: 0 }} /></tr> : null}
        </tbody>
      </table>
    </div>
  )
}
