// Short messages at the edge. A failure stays until it is closed and shows the server's reason and the service's last lines.
import { useSyncExternalStore } from 'react'
import { CloseButton } from '@mantine/core'
import { ApiError, reasonOf } from '../api/client'
import { Icon } from './icons'
import { Lines } from './ui'
import s from './ui.module.css'

type Toast = { id: number; ok: boolean; title: string; text?: string; lines: string[] }

const MOST = 4
const STAYS = 5000
let toasts: readonly Toast[] = []
let next = 1
const listeners = new Set<() => void>()

function set(list: readonly Toast[]) {
  toasts = list
  for (const f of listeners) f()
}

const close = (id: number) => set(toasts.filter((t) => t.id !== id))

export const toast = {
  done(title: string, text?: string) {
    const id = next++
    set([...toasts, { id, ok: true, title, text, lines: [] }].slice(-MOST))
    setTimeout(() => close(id), STAYS)
  },
  failed(title: string, error: unknown) {
    const lines = error instanceof ApiError ? [...error.fields.map((f) => `${f.loc.slice(1).join('.')}: ${f.msg}`), ...error.lines] : []
    set([...toasts, { id: next++, ok: false, title, text: reasonOf(error), lines }].slice(-MOST))
  },
}

export function Toasts() {
  const list = useSyncExternalStore((f) => (listeners.add(f), () => void listeners.delete(f)), () => toasts)
  return (
    <div className={s.toasts} role="region" aria-label="Messages">
      {list.map((t) => (
        <div key={t.id} className={`${s.toast} ${t.ok ? s.toastOk : s.toastBad}`} role={t.ok ? 'status' : 'alert'}>
          <Icon name={t.ok ? 'check' : 'alert'} />
          <div className={s.toastBody}>
            <b>{t.title}</b>
            {t.text ? <p>{t.text}</p> : null}
            <Lines lines={t.lines} />
          </div>
          <CloseButton size="sm" aria-label="Close message" onClick={() => close(t.id)} />
        </div>
      ))}
    </div>
  )
}
