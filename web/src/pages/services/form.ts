// A definition as fields of a form and back, and what of it was changed. What has no field of its own is JSON in the last one.
import type { Schemas } from '../../api/client'

type Spec = Schemas['ServiceSpec']
type Tree = Record<string, unknown>
export type Fields = {
  name: string; type: string; display_name: string; description: string; command: string; cwd: string; ports: string; tags: string; env: string
  depends_on: string; policy: string; schedule: string; autostart: boolean; rest: string
}
const OWN = ['name', 'type', 'display_name', 'description', 'command', 'cwd', 'ports', 'tags', 'env', 'depends_on', 'autostart']
const TIMES = ['cron', 'every', 'at'] as const // of a schedule: one of them

// A line is as it is, or JSON where it could not be told apart otherwise: line breaks, quotes at its beginning, nothing at all.
const toLine = (text: string) => (text === '' || text.startsWith('"') || /[\r\n]/.test(text) ? JSON.stringify(text) : text)
function fromLine(line: string): string {
  if (line.startsWith('"')) {
    try {
      const text: unknown = JSON.parse(line)
      if (typeof text === 'string') return text
    } catch {
      // Quotes of its own.
    }
  }
  return line
}

const isTree = (v: unknown): v is Tree => typeof v === 'object' && v !== null && !Array.isArray(v)
const without = (o: object | undefined, names: readonly string[]): Tree => Object.fromEntries(Object.entries(o ?? {}).filter(([k]) => !names.includes(k)))

function restOf(d: Partial<Spec>): Tree {
  const rest = without(d, [...OWN, 'restart', 'schedule'])
  const [restart, schedule] = [without(d.restart, ['policy']), without(d.schedule, TIMES)]
  return { ...rest, ...(Object.keys(restart).length ? { restart } : {}), ...(Object.keys(schedule).length ? { schedule } : {}) }
}

export function fieldsOf(d: Partial<Spec>): Fields {
  const rest = restOf(d)
  return {
    name: d.name ?? '', type: d.type ?? '', display_name: d.display_name ?? '', description: d.description ?? '', cwd: d.cwd ?? '',
    command: d.shell ? d.command?.[0] ?? '' : (d.command ?? []).map(toLine).join('\n'),
    ports: (d.ports ?? []).join(', '), tags: (d.tags ?? []).join(', '),
    env: Object.entries(d.env ?? {}).map(([k, v]) => `${k}=${v === '' ? '' : toLine(v)}`).join('\n'),
    depends_on: Object.entries(d.depends_on ?? {}).map(([n, c]) => (c.condition ? `${n}:${c.condition}` : n)).join(', '),
    policy: d.restart?.policy ?? '', schedule: d.schedule?.cron ?? d.schedule?.every ?? d.schedule?.at ?? '', autostart: d.autostart ?? false,
    rest: Object.keys(rest).length ? JSON.stringify(rest, null, 2) : '',
  }
}

const words = (text: string) => text.split(/[,\s]+/).filter(Boolean)

/** What the last field says, or why it says nothing. */
export function readRest(text: string): { rest: Tree; fault?: string } {
  if (!text.trim()) return { rest: {} }
  let rest: unknown
  try {
    rest = JSON.parse(text)
  } catch (e) {
    return { rest: {}, fault: `This is no JSON: ${e instanceof Error ? e.message : e}` }
  }
  if (!isTree(rest)) return { rest: {}, fault: 'This must be a JSON object: { "limits": { "memory": "1GiB" } }' }
  const twice = [
    ...Object.keys(rest).filter((k) => OWN.includes(k)), ...(isTree(rest.restart) && 'policy' in rest.restart ? ['restart.policy'] : []),
    ...(isTree(rest.schedule) ? TIMES.filter((t) => t in (rest.schedule as Tree)).map((t) => `schedule.${t}`) : []),
  ]
  return twice.length ? { rest: {}, fault: `${twice.join(', ')}: there is a field for this above` } : { rest }
}

function scheduleOf(text: string): Tree {
  const t = text.trim()
  if (!t) return {}
  return { [/^\d{4}-/.test(t) ? 'at' : /\s|^@/.test(t) ? 'cron' : 'every']: t }
}

export function specOf(base: Partial<Spec>, f: Fields): Spec {
  const { rest } = readRest(f.rest)
  const env = f.env.split('\n').filter((l) => l.trim()).map((l): [string, string] => { const i = l.indexOf('='); return i < 0 ? [l.trim(), ''] : [l.slice(0, i).trim(), fromLine(l.slice(i + 1))] })
  const restart = { ...(rest.restart as object | undefined), ...(f.policy ? { policy: f.policy } : {}) }
  const schedule = { ...(rest.schedule as object | undefined), ...scheduleOf(f.schedule) }
  const needs = words(f.depends_on).map((word): [string, Schemas['ServiceDependency']] => {
    const [name = '', condition] = word.split(':')
    const { condition: _, ...before } = base.depends_on?.[name] ?? {}
    return [name, { ...before, ...(condition ? { condition } : {}) }]
  })
  const command = rest.shell === true ? (f.command.trim() ? [f.command] : []) : f.command.split('\n').filter((l) => l !== '').map(fromLine)
  const spec: Tree = {
    ...rest, name: f.name.trim(), type: f.type || undefined, display_name: f.display_name.trim() || undefined, description: f.description.trim() || undefined, command, cwd: f.cwd.trim() || undefined,
    ports: f.ports.trim() ? words(f.ports).map((p) => (/^\d+$/.test(p) ? Number(p) : p)) : undefined, // the server says what is no port
    tags: f.tags.trim() ? words(f.tags) : undefined, env: env.length ? Object.fromEntries(env) : undefined,
    depends_on: needs.length ? Object.fromEntries(needs) : undefined, autostart: f.autostart || undefined,
    restart: Object.keys(restart).length ? restart : undefined, schedule: Object.keys(schedule).length ? schedule : undefined,
  }
  if (command.length === 0 && !base.command?.length) delete spec.command // of a template
  return Object.fromEntries(Object.entries(spec).filter(([, v]) => v !== undefined)) as unknown as Spec
}

const PROBES = ['http', 'tcp', 'exec', 'log', 'notify']
const same = (a: unknown, b: unknown): boolean => {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => same(x, b[i]))
  if (isTree(a) && isTree(b)) return Object.keys({ ...a, ...b }).every((k) => same(a[k], b[k]))
  return a === b
}

/** A merge patch that makes `after` of `before`: only what differs, so that nothing else is touched, masked values least of all. */
export function patchOf(before: object, after: object): Tree {
  const [a, b] = [before as Tree, after as Tree]
  const patch: Tree = {}
  for (const k of Object.keys({ ...a, ...b })) {
    if (same(a[k], b[k])) continue
    if (b[k] === undefined) patch[k] = null
    else if (isTree(a[k]) && isTree(b[k])) {
      const inner = patchOf(a[k], b[k])
      // A probe is replaced as a whole when its kind is named, so all that it keeps is said too.
      patch[k] = PROBES.some((kind) => kind in (b[k] as Tree)) ? { ...b[k], ...inner } : inner
    } else patch[k] = b[k]
  }
  return patch
}

/** The field that an error of the server is about, and what to say there. */
export function faultOf(loc: readonly string[], msg: string): { field: keyof Fields | null; text: string } {
  const path = (loc[0] === 'body' ? loc.slice(1) : loc).flatMap((l) => l.split('.'))
  const [first = '', index] = (path[0] ?? '').split(/[[\]]/)
  const inside = path.slice(1).join('.')
  if (first === '') return { field: null, text: msg }
  if (first === 'id') return { field: 'name', text: msg }
  if (first === 'command' && index) return { field: 'command', text: `line ${Number(index) + 1} ${msg}` }
  if (OWN.includes(first)) return { field: first as keyof Fields, text: [index && `the ${Number(index) + 1}.`, inside, msg].filter(Boolean).join(' ') }
  if (first === 'restart' && inside === 'policy') return { field: 'policy', text: msg }
  if (first === 'schedule' && (inside === '' || (TIMES as readonly string[]).includes(inside))) return { field: 'schedule', text: msg }
  return { field: 'rest', text: `${path.join('.')} ${msg}` }
}
