// Who needs whom, drawn: what stands left is started first. The same in words below it.
import { useEffect, useMemo } from 'react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from 'wouter'
import { CopyAsCurl } from '../../components/actions'
import { stateTone, stateWord, Card, EmptyState, ErrorState, SkeletonRows, StatusBadge } from '../../components/ui'
import { useLive } from '../../live/store'
import { href } from '../../pages'
import { layout, WIDTH, type Box, type Point } from './layout'
import { graphQuery } from './queries'
import s from './graph.module.css'

type Edge = { from: string; to: string; condition: string; met: boolean }
type Facts = { name: string; state: string; health: string }

/** A line through points: level at each of them, so that it leaves and enters boxes straight. */
function curve(points: Point[]): string {
  return points.map((p, i) => {
    const last = points[i - 1]
    if (!last) return `M${p.x},${p.y}`
    const half = (p.x - last.x) / 2
    return `C${last.x + half},${last.y} ${p.x - half},${p.y} ${p.x},${p.y}`
  }).join('')
}

const MOST = 22
const short = (text: string) => (text.length > MOST ? `${text.slice(0, MOST - 1)}…` : text)
const CONDITIONS: Record<string, string> = { started: 'started', healthy: 'healthy', completed: 'completed' }
const said = (x: Facts) => `${stateWord(x.state)}${x.health !== 'unknown' && x.state === 'running' ? `, ${x.health}` : ''}`
const toneOf = (x: Facts) => (x.state === 'running' && x.health === 'unhealthy' ? 'bad' : stateTone(x.state))

function Node({ box: b, facts: x, needs }: { box: Box; facts: Facts; needs: string }) {
  return (
    <Link href={href('service', { name: b.id })} className={s.node} data-tone={toneOf(x)} data-service={b.id}>
      <title>{`${x.name}: ${said(x)}${needs ? `, needs ${needs}` : ''}`}</title>
      <rect x={b.x} y={b.y} width={WIDTH} height={b.height} rx={8} />
      <rect className={s.mark} x={b.x} y={b.y + 12} width={3.5} height={b.height - 24} rx={1.75} />
      <text className={s.name} x={b.x + 16} y={b.y + b.height / 2 - 4}>{short(x.name)}</text>
      <circle cx={b.x + 19.5} cy={b.y + b.height / 2 + 13} r={3} />
      <text className={s.state} x={b.x + 28} y={b.y + b.height / 2 + 17}>{said(x)}</text>
    </Link>
  )
}

function Line({ edge: e, points, waits }: { edge: Edge; points: Point[]; waits: boolean }) {
  const end = points[points.length - 1]!
  return (
    <g className={s.line} data-met={e.met || undefined} data-waits={waits || undefined}>
      <path d={curve([...points.slice(0, -1), { x: end.x - 7, y: end.y }])} />
      <path className={s.head} d={`M${end.x - 8},${end.y - 4.5}L${end.x - 1},${end.y}L${end.x - 8},${end.y + 4.5}Z`} />
      <text x={end.x - 13} y={end.y - 5}>{CONDITIONS[e.condition] ?? e.condition}</text>
    </g>
  )
}

export default function Graph() {
  const client = useQueryClient()
  const q = useQuery(graphQuery)
  const all = useLive((l) => l.services)
  const marks = all?.map((x) => `${x.name} ${x.state} ${x.health}`).join('\n') // conditions change with them
  useEffect(() => void client.invalidateQueries({ queryKey: graphQuery.queryKey }), [client, marks])

  const nodes = q.data?.nodes, edges: Edge[] | null | undefined = q.data?.edges
  const shape = JSON.stringify([nodes?.map((n) => [n.id, n.level]), edges?.map((e) => [e.from, e.to])])
  const placed = useMemo(() => {
    const linked = new Set(edges?.flatMap((e) => [e.from, e.to]))
    return layout((nodes ?? []).map((n) => n.id).filter((id) => linked.has(id)), new Map(nodes?.map((n) => [n.id, n.level])), edges ?? [])
  }, [shape]) // states change often, places do not

  if (q.isError && !q.data) return <Card label="Dependencies"><ErrorState error={q.error} what="The dependencies could not be read" retry={() => void q.refetch()} /></Card>
  if (!nodes || !edges) return <Card label="Dependencies"><SkeletonRows rows={8} /></Card>
  if (edges.length === 0) {
    return (
      <Card label="Dependencies">
        <EmptyState icon="services" title="No service needs another">
          Say what a service needs under <code className="mono">depends_on</code> in its definition, or in the field "Needs" when you edit it here: <code className="mono">depends_on: {'{'}db: {'{'}condition: healthy{'}}'}</code>. What it needs is then started first and stopped last.
        </EmptyState>
      </Card>
    )
  }
  const facts = (id: string): Facts => {
    const live = all?.find((x) => x.name === id), node = nodes.find((n) => n.id === id)
    return { name: live?.display_name ?? id, state: live?.state ?? node?.state ?? 'unknown', health: live?.health ?? node?.health ?? 'unknown' }
  }
  const waits = (e: Edge) => !e.met && ['starting', 'backoff'].includes(facts(e.from).state)
  const needs = (id: string) => edges.filter((e) => e.from === id)
  const words = (list: Edge[]) => list.map((e) => `${facts(e.to).name} (${e.condition}${e.met ? '' : ', not so now'})`).join(', ')
  const edgeOf = new Map(edges.map((e) => [`${e.from} ${e.to}`, e]))
  const alone = nodes.filter((n) => !placed.boxes.some((b) => b.id === n.id))
  return (
    <>
      <Card flush title="Dependencies" side={<><span className={s.hint}>What stands left is started first; an arrow leads to what needs it.</span><CopyAsCurl call={{ method: 'GET', path: '/api/services/graph' }} /></>}>
        <div className={s.scroll} tabIndex={0} role="region" aria-label="Drawing of the dependencies" data-testid="graph">
          <svg width={placed.width} height={placed.height} viewBox={`0 0 ${placed.width} ${placed.height}`} role="group" aria-label={`${placed.boxes.length} services, ${edges.length} dependencies`}>
            <g aria-hidden>{placed.lines.map(({ link, points }) => { const e = edgeOf.get(`${link.from} ${link.to}`) ?? link; return <Line key={`${link.from} ${link.to}`} edge={e} points={points} waits={waits(e)} /> })}</g>
            {placed.boxes.map((b) => <Node key={b.id} box={b} facts={facts(b.id)} needs={words(needs(b.id))} />)}
          </svg>
        </div>
      </Card>
      <Card title="In words" flush>
        <ul className={s.words} aria-label="Dependencies in words" data-testid="graph-words">
          {placed.boxes.map((b) => {
            const x = facts(b.id), own = needs(b.id), by = edges.filter((e) => e.to === b.id)
            return (
              <li key={b.id}>
                <Link href={href('service', { name: b.id })}>{x.name}</Link> <StatusBadge state={x.state} plain />
                <span className="muted">
                  {own.length ? `needs ${words(own)}` : 'needs nothing'}{by.length ? `; needed by ${by.map((e) => facts(e.from).name).join(', ')}` : ''}
                </span>
              </li>
            )
          })}
          {alone.length ? <li><span className="muted">Without dependencies: {alone.map((n, i) => <span key={n.id}>{i ? ', ' : ''}<Link href={href('service', { name: n.id })}>{facts(n.id).name}</Link></span>)}</span></li> : null}
        </ul>
      </Card>
    </>
  )
}
