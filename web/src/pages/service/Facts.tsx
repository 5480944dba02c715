// What a service is made of: command, ports, probes, limits, environment (values that look secret are masked by the server).
import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { Schemas, Service } from '../../api/client'
import { CopyAsCurl } from '../../components/actions'
import { Badge, Tag } from '../../components/ui'
import { Duration, TimeText } from '../../components/values'
import { built, href } from '../../pages'
import s from './service.module.css'

type Spec = Schemas['ServiceSpec']
type Probe = Schemas['ProbeSpec']

/** A command line as a shell would read it. */
export const commandLine = (args: readonly string[] | null | undefined) =>
  (args ?? []).map((a) => (/^[\w@%+=:,./-]+$/.test(a) ? a : `'${a.replaceAll("'", `'\\''`)}'`)).join(' ')

function target(p: Probe | undefined): string {
  if (!p) return ''
  const what = p.http ?? p.tcp ?? (p.exec?.length ? commandLine(p.exec) : p.log ? `a log line with ${p.log}` : p.notify ? 'its own notification' : '')
  return `${what}${p.interval ? `, every ${p.interval}` : ''}${p.failure ? `, bad after ${p.failure} in a row` : ''}`
}

function Probes({ live, spec }: { live: Service['probes']; spec: Spec['probes'] }) {
  const names = [...new Set([...Object.keys(spec ?? {}), ...Object.keys(live ?? {})])]
  if (names.length === 0) return <p className="muted">None. It counts as well while its process runs.</p>
  return (
    <ul className={s.probes}>
      {names.map((n) => {
        const p = live?.[n]
        return (
          <li key={n} className={s.probe}>
            <b>{n}</b>
            {!p?.known ? <Badge tone="idle">not known yet</Badge> : p.well ? <Badge tone="ok">well</Badge> : <Badge tone="bad">failing</Badge>}
            {p?.known ? <span className="muted num">asked <TimeText at={p.at} relative />, took <Duration seconds={p.took_seconds} /></span> : null}
            <small>{target(spec?.[n as keyof NonNullable<Spec['probes']>])}</small>
            {p?.reason ? <small>{p.reason}</small> : null}
          </li>
        )
      })}
    </ul>
  )
}

function Rows({ rows }: { rows: [string, ReactNode][] }) {
  return <dl className={s.list}>{rows.filter(([, v]) => v !== null && v !== undefined && v !== '').map(([k, v]) => [<dt key={k}>{k}</dt>, <dd key={`${k}=`}>{v}</dd>])}</dl>
}

const said = (o: object | null | undefined) => Object.entries(o ?? {}).filter(([, v]) => v !== null && typeof v !== 'object').map(([k, v]) => `${k.replaceAll('_', ' ')} ${v}`).join(', ')

export function Facts({ service: x, spec, definition, secrets }: { service: Service; spec: Spec; definition: Spec; secrets: Record<string, boolean> | null }) {
  const env = Object.entries(spec.env ?? {})
  const needs = Object.entries(spec.depends_on ?? {})
  return (
    <div className={s.facts}>
      <section className={s.block}><h2>Program</h2><Rows rows={[
        ['Command', <span className="mono">{commandLine(spec.command)}</span>],
        ['Folder', spec.cwd && <span className="mono">{spec.cwd}</span>],
        ['User', spec.user],
        ['Process', x.pid === null ? null : built('processes') ? <Link href={`${href('processes')}?q=${x.pid}`}>{x.pid}</Link> : x.pid],
        ['Ports', x.ports?.length ? (built('ports') ? <Link href={`${href('ports')}?range=all&q=${x.name}`}>{x.ports.join(', ')}</Link> : x.ports.join(', ')) : null],
        ['Tags', x.tags?.length ? <span style={{ display: 'flex', gap: 4, flexWrap: 'wrap' }}>{x.tags.map((t) => <Link key={t} href={`${href('services')}?tag=${encodeURIComponent(t)}`}><Tag>{t}</Tag></Link>)}</span> : null],
        ['Starts by itself', x.autostart ? 'yes, with the server' : 'no'],
        ['Defined in', <span className="mono">{x.origin}</span>],
        ['Changed', <TimeText at={x.updated_at} />],
      ]} /></section>
      <section className={s.block}><h2>Probes</h2><Probes live={x.probes} spec={spec.probes} /></section>
      <section className={s.block}><h2>Rules</h2><Rows rows={[
        ['Restart', said(spec.restart)],
        ['Limit', said(spec.restart?.limit)],
        ['Stop', said(spec.stop)],
        ['Limits', said(spec.limits)],
        ['Logs', said(spec.logs)],
        ['Schedule', said(spec.schedule)],
        ['Needs', needs.length ? needs.map(([n, d], i) => <span key={n}>{i ? ', ' : ''}<Link href={href('service', { name: n })}>{n}</Link>{d.condition ? ` (${d.condition})` : ''}</span>) : null],
      ]} /></section>
      <section className={s.block}><h2>Environment</h2>
        {env.length === 0 && !Object.keys(secrets ?? {}).length ? <p className="muted">Nothing of its own. It gets {spec.env_inherit?.slice(0, 6).join(', ')}{(spec.env_inherit?.length ?? 0) > 6 ? ' and a few more' : ''} from the server.</p> : (
          <Rows rows={[
            ...env.map(([k, v]): [string, ReactNode] => [k, <span className="mono" title={/^\*+$/.test(v) ? 'Not shown: it may be a secret' : undefined}>{v}</span>]),
            ...Object.entries(secrets ?? {}).map(([k, set]): [string, ReactNode] => [k, set ? <Badge tone="ok" plain>secret, set</Badge> : <Badge tone="warn" plain>secret, not set</Badge>]),
          ]} />
        )}
      </section>
      <section className={s.block} style={{ gridColumn: '1 / -1' }}>
        <h2 style={{ display: 'flex', alignItems: 'center', gap: 8 }}>Definition <CopyAsCurl call={{ method: 'GET', path: `/api/services/${encodeURIComponent(x.name)}` }} /></h2>
        <pre className={s.code} tabIndex={0} aria-label="Definition as JSON">{JSON.stringify(definition, null, 2)}</pre>
      </section>
    </div>
  )
}
