// Alerts that fire, are about to, or ended within the last day.
import { ActionIcon, Menu, SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { CurlItems } from '../../components/actions'
import { useAddress } from '../../components/address'
import { Icon } from '../../components/icons'
import { Badge, Card, EmptyState, ErrorState, SkeletonRows, StatusBadge } from '../../components/ui'
import { TimeText } from '../../components/values'
import { number } from '../../format'
import { built, href } from '../../pages'
import { muteCall, useMute } from './Mutes'
import { alertRows, rulesOf, type AlertRow } from './queries'
import { exactOf, valueOf } from './value'
import s from './alerts.module.css'

export const Severity = ({ value }: { value: string }) => <Badge tone={value === 'critical' ? 'bad' : value === 'warning' ? 'warn' : 'idle'}>{value}</Badge>

const TIMES = [['1h', 'an hour'], ['8h', '8 hours'], ['7d', 'a week']] as const

function Row({ alert: a, unit }: { alert: AlertRow; unit: string }) {
  const value = valueOf(a.value, unit)
  const mute = useMute()
  const body = { ...(a.service ? { service: a.service } : {}), rule: a.rule }
  return (
    <li data-state={a.state}>
      <span className={s.marks}>{a.state === 'firing' ? <Severity value={a.severity} /> : <StatusBadge state={a.state} />}</span>
      <span className={s.grow}>
        <b>{a.summary}</b>
        <small>{a.description}</small>
        <span className={s.facts}>
          <Link href={`/alerts?tab=rules#${a.rule}`}>{a.rule}</Link>
          {a.service ? built('service') ? <Link href={href('service', { name: a.service })}>{a.service}</Link> : <span>{a.service}</span> : a.subject ? <span>{a.subject}</span> : null}
          {value ? <span className="num" title={exactOf(a.value, unit)}>{value}</span> : null}
          <span>since <TimeText at={a.since} relative /></span>
          {a.count > 1 ? <span className="num">{number(a.count)} times</span> : null}
          {a.ended_at ? <span>ended <TimeText at={a.ended_at} relative /></span> : null}
          {a.muted ? <Badge tone="idle" plain>muted</Badge> : a.told_at ? <span>told <TimeText at={a.told_at} relative /></span> : null}
        </span>
      </span>
      <Menu position="bottom-end" width={220}>
        <Menu.Target><ActionIcon variant="subtle" color="gray" loading={mute.isPending} aria-label={`More for ${a.rule}${a.service ? ` of ${a.service}` : ''}`}><Icon name="more" /></ActionIcon></Menu.Target>
        <Menu.Dropdown>
          {TIMES.map(([time, text]) => <Menu.Item key={time} onClick={() => mute.mutate({ ...body, for: time })}>Mute for {text}</Menu.Item>)}
          <Menu.Divider />
          <CurlItems calls={TIMES.map(([time, text]) => [`mute for ${text}`, muteCall({ ...body, for: time })])} />
        </Menu.Dropdown>
      </Menu>
    </li>
  )
}

const STATES = ['firing', 'pending', 'resolved'] as const
const HEADS = { firing: 'Firing', pending: 'About to fire', resolved: 'Ended within a day' }

export function Active() {
  const { get, set } = useAddress()
  const q = useQuery(alertRows)
  const rules = useQuery(rulesOf)
  const unitOf = (rule: string) => rules.data?.rules.find((r) => r.name === rule)?.unit ?? ''
  const only = get('state') || 'all'
  if (q.isError && !q.data) return <Card label="Alerts"><ErrorState error={q.error} what="Alerts could not be read" retry={() => void q.refetch()} /></Card>
  if (!q.data) return <Card label="Alerts"><SkeletonRows rows={6} height={22} /></Card>
  const rows = q.data.alerts
  if (rows.length === 0) return <Card label="Alerts"><EmptyState icon="check" title="All is quiet">Nothing fires, and nothing did within the last day. The rules that watch are under <Link href="/alerts?tab=rules">Rules</Link>.</EmptyState></Card>
  const shown = STATES.filter((x) => only === 'all' || only === x)
  return (
    <>
      <div><SegmentedControl size="xs" aria-label="Show" value={only} onChange={(v) => set({ state: v === 'all' ? null : v })}
        data={[{ value: 'all', label: 'All' }, ...STATES.map((x) => ({ value: x, label: `${x[0]!.toUpperCase()}${x.slice(1)}` }))]} /></div>
      {shown.map((state) => {
        const list = rows.filter((a) => a.state === state)
        return list.length === 0 ? only === 'all' ? null : <Card key={state} label={HEADS[state]}><EmptyState icon="check" title={`No alert is ${state}`} /></Card> : (
          <Card key={state} title={HEADS[state]} flush side={<span className="num">{list.length}</span>}>
            <ul className={s.list} data-testid={`alerts-${state}`}>{list.map((a) => <Row key={`${a.rule} ${a.subject}`} alert={a} unit={unitOf(a.rule)} />)}</ul>
          </Card>
        )
      })}
    </>
  )
}
