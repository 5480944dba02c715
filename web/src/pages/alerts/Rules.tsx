// The built-in rules and what they are set to.
import { useEffect } from 'react'
import { useQuery } from '@tanstack/react-query'
import { Badge, Card, EmptyState, ErrorState, SkeletonRows } from '../../components/ui'
import { Duration } from '../../components/values'
import { number } from '../../format'
import { Severity } from './Active'
import { rulesOf } from './queries'
import { exactOf, valueOf } from './value'
import s from './alerts.module.css'

export function Rules() {
  const q = useQuery(rulesOf)
  useEffect(() => {
    if (q.data && location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: 'center' })
  }, [q.data])
  return (
    <Card label="Rules" flush>
      {q.isError && !q.data ? <ErrorState error={q.error} what="Rules could not be read" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={8} height={22} /> : q.data.rules.length === 0 ? <EmptyState icon="alerts" title="There are no rules" /> : (
        <ul className={s.list}>
          {q.data.rules.map((r) => (
            <li key={r.name} id={r.name} data-off={!r.enabled || undefined}>
              <span className={s.marks}><Severity value={r.severity} /></span>
              <span className={s.grow}>
                <b>{r.summary}</b>
                <small>{r.description}</small>
                <span className={s.facts}>
                  <code className="mono">{r.name}</code>
                  {r.limit !== null ? <span className="num" title={exactOf(r.limit, r.unit)}>limit {valueOf(r.limit, r.unit) ?? number(r.limit)}</span> : null}
                  {r.for_seconds > 0 ? <span>for <Duration seconds={r.for_seconds} /></span> : null}
                </span>
              </span>
              {r.enabled ? <Badge tone="ok" plain>on</Badge> : <Badge tone="idle" plain>off</Badge>}
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}
