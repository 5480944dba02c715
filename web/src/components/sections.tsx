// Parts of a page that have an address each, and small pieces that lists are made of.
import type { ReactNode } from 'react'
import { Link, useLocation } from 'wouter'
import { useAddress } from './address'
import s from './sections.module.css'

export type Section = { id: string; label: string; count?: number; bad?: boolean }

/** Links to the parts of a page; the first needs no parameter. */
export function Sections({ label, items, current }: { label: string; items: Section[]; current: string }) {
  const [path] = useLocation()
  return (
    <nav aria-label={label} className={s.sections}>
      {items.map((x, i) => (
        <Link key={x.id} href={i === 0 ? path : `${path}?tab=${x.id}`} aria-current={x.id === current ? 'page' : undefined}>
          {x.label}{x.count ? <span className={s.count} data-bad={x.bad || undefined}>{x.count}</span> : null}
        </Link>
      ))}
    </nav>
  )
}

/** The part that the address names, the first when it names none. */
export function useSection(items: readonly { id: string }[]): string {
  const { get } = useAddress()
  return items.find((x) => x.id === get('tab'))?.id ?? items[0]!.id
}

/** Names and values in two columns. What has no value is left out. */
export function Facts({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <dl className={s.facts}>
      {rows.filter(([, v]) => v !== null && v !== undefined && v !== '').map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
    </dl>
  )
}
