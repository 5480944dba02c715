// A definition as fields of a form and back. What the form does not show stays as it was.
import type { Schemas } from '../../api/client'

type Spec = Schemas['ServiceSpec']
export type Fields = { name: string; display_name: string; description: string; command: string; cwd: string; ports: string; tags: string; env: string; depends_on: string; autostart: boolean }

export const fieldsOf = (d: Partial<Spec>): Fields => ({
  name: d.name ?? '', display_name: d.display_name ?? '', description: d.description ?? '', command: (d.command ?? []).join('\n'), cwd: d.cwd ?? '',
  ports: (d.ports ?? []).join(', '), tags: (d.tags ?? []).join(', '), env: Object.entries(d.env ?? {}).map(([k, v]) => `${k}=${v}`).join('\n'),
  depends_on: Object.keys(d.depends_on ?? {}).join(', '), autostart: d.autostart ?? false,
})

const words = (text: string) => text.split(/[,\s]+/).filter(Boolean)

export function specOf(base: Partial<Spec>, f: Fields): Spec {
  const env = f.env.split('\n').filter((l) => l.trim()).map((l): [string, string] => { const i = l.indexOf('='); return i < 0 ? [l.trim(), ''] : [l.slice(0, i).trim(), l.slice(i + 1)] })
  const spec: Spec = {
    ...base, name: f.name.trim(), display_name: f.display_name.trim() || undefined, description: f.description.trim() || undefined,
    command: f.command.split('\n').filter((l) => l !== ''), cwd: f.cwd.trim() || undefined,
    ports: f.ports.trim() ? words(f.ports).map((p) => (/^\d+$/.test(p) ? Number(p) : p) as number) : undefined, // the server says what is no port
    tags: f.tags.trim() ? words(f.tags) : undefined, env: env.length ? Object.fromEntries(env) : undefined,
    depends_on: f.depends_on.trim() ? Object.fromEntries(words(f.depends_on).map((n) => [n, base.depends_on?.[n] ?? {}])) : undefined,
    autostart: f.autostart || undefined,
  }
  return Object.fromEntries(Object.entries(spec).filter(([, v]) => v !== undefined)) as Spec
}
