// Each core now and over the last quarter of an hour: a small curve each, all on one scale, so that they can be compared.
import { Card, EmptyState, SkeletonRows } from '../../components/ui'
import { Sparkline } from '../../components/LiveChart'
import { percent } from '../../format'
import { averages } from '../../live/averages'
import { useCurves, useLive } from '../../live/store'
import s from './overview.module.css'

const SPAN = 900 // seconds, as the large curves
const STEP = 10 // seconds to a point of a small curve: it is no wider than a few points more
const MOST = 64 // with a curve each; of more cores only the present is drawn

export function Cores() {
  const now = useLive((l) => l.system?.cores)
  const { cores } = useCurves()
  if (!now) return <Card title="Cores"><SkeletonRows rows={2} /></Card>
  if (now.length === 0) return <Card title="Cores"><EmptyState title="This system does not tell of its cores" /></Card>
  if (now.length > MOST) {
    return (
      <Card title="Cores" side={<span className="num">{now.length}</span>}>
        <ul className={`${s.cores} ${s.many}`} aria-label="Cores now">
          {now.map((v, i) => <li key={i} className={s.cell} title={`Core ${i}: ${percent(v)}`}><i style={{ height: `${v ?? 0}%` }} /><span className="hidden-text">Core {i}: {percent(v)}</span></li>)}
        </ul>
      </Card>
    )
  }
  const times = cores.column(0)
  return (
    <Card title="Cores" side={<span className="num">{now.length}, last 15 minutes</span>}>
      <ul className={s.cores} data-few={now.length <= 8 || undefined} aria-label="Cores" data-testid="cores">
        {now.map((v, i) => {
          const past = i + 1 < cores.width ? averages(times, cores.column(i + 1), SPAN, STEP) : []
          const top = past.reduce((most, x) => (x > most ? x : most), v ?? 0) // NaN is not more
          const said = `at most ${percent(top, 0)} in the last 15 minutes`
          return (
            <li key={i} className={`${s.core} num`} title={`Core ${i}: ${percent(v)}, ${said}`}>
              <Sparkline values={past} max={100} width={120} height={now.length <= 8 ? 36 : 22} />
              <span className={s.index}><span className="hidden-text">Core </span>{i}</span><b>{percent(v, 0)}</b><span className="hidden-text">, {said}</span>
            </li>
          )
        })}
      </ul>
    </Card>
  )
}
