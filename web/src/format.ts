// Numbers and times as people read them. Every function takes null, undefined and NaN for "unknown" and shows a dash.

type Value = number | null | undefined

const known = (v: Value): v is number => typeof v === 'number' && Number.isFinite(v)
export const DASH = '–'

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** 1.5 GiB. Powers of 1024, three digits. */
export function bytes(v: Value): string {
  if (!known(v)) return DASH
  let n = Math.abs(v)
  let i = 0
  while (n >= 1023.5 && i < UNITS.length - 1) {
    n /= 1024
    i++
  }
  const digits = i === 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2
  return `${v < 0 ? '-' : ''}${n.toFixed(digits)} ${UNITS[i]}`
}

/** 1.5 GiB/s. */
export const rate = (v: Value) => (known(v) ? `${bytes(v)}/s` : DASH)

/** 1,610,612,736 bytes: for the title of a rounded number. */
export const bytesExact = (v: Value) => (known(v) ? `${number(Math.round(v))} bytes` : 'unknown')

/** 12.5 %. */
export function percent(v: Value, digits = 1): string {
  return known(v) ? `${v.toFixed(v >= 99.95 ? 0 : digits)} %` : DASH
}

/** 12.4837 %: for the title of a rounded share. */
export const percentExact = (v: Value) => (known(v) ? `${Number(v.toFixed(4))} %` : 'unknown')

/** 1,234.50. The first number that toLocaleString writes takes a browser 50 to 100 ms, before the first picture. */
export function number(v: Value, digits = 0): string {
  if (!known(v)) return DASH
  const [whole, rest] = v.toFixed(digits).split('.')
  return whole!.replace(/\B(?=(\d{3})+$)/g, ',') + (rest ? `.${rest}` : '')
}

/** 3 d 4 h, 4 h 12 min, 12 min 5 s, 5 s, 0.3 s: the two largest units. */
export function duration(seconds: Value): string {
  if (!known(seconds)) return DASH
  const s = Math.max(0, seconds)
  if (s < 1) return s === 0 ? '0 s' : `${s < 0.1 ? (s * 1000).toFixed(0) + ' ms' : s.toFixed(1) + ' s'}`
  const whole = Math.floor(s)
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), 'd'], [Math.floor(whole / 3600) % 24, 'h'], [Math.floor(whole / 60) % 60, 'min'], [whole % 60, 's'],
  ]
  const first = parts.findIndex(([n]) => n > 0)
  return parts.slice(first, first + 2).filter(([n], i) => i === 0 || n > 0).map(([n, u]) => `${n} ${u}`).join(' ')
}

export const durationExact = (v: Value) => (known(v) ? `${number(v, v % 1 ? 3 : 0)} seconds` : 'unknown')

const two = (n: number) => String(n).padStart(2, '0')

/** 12:03:04, in the viewer's zone. */
export function clock(at: Date): string {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** "12:03:04" today, "28 Nov 12:03" this year, "28 Nov 2025" before. */
export function when(at: Date, now: Date): string {
  if (Number.isNaN(at.getTime())) return DASH
  const month = MONTHS[at.getMonth()]!
  if (at.toDateString() === now.toDateString()) return clock(at)
  if (at.getFullYear() === now.getFullYear()) return `${at.getDate()} ${month} ${two(at.getHours())}:${two(at.getMinutes())}`
  return `${at.getDate()} ${month} ${at.getFullYear()}`
}

/** "just now", "40 s ago", "5 min ago", "in a moment", "in 3 h". */
export function ago(at: Date, now: Date): string {
  const s = (now.getTime() - at.getTime()) / 1000
  if (Number.isNaN(s)) return DASH
  const n = Math.abs(s)
  if (n < 5) return s < -1.5 ? 'in a moment' : 'just now' // what has just been told may seem to be a second ahead
  const text = n < 60 ? `${Math.floor(n)} s` : n < 3600 ? `${Math.floor(n / 60)} min` : n < 86400 ? `${Math.floor(n / 3600)} h` : `${Math.floor(n / 86400)} d`
  return s > 0 ? `${text} ago` : `in ${text}`
}

/** 2026-01-02 03:04:05 UTC. */
export function utc(at: Date): string {
  return Number.isNaN(at.getTime()) ? 'unknown' : `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

export type CurlOptions = {
  file?: string // name of a file that is sent as it is
  save?: boolean // the answer is a file: it is kept under the name that the server gives it
}

/** The command line of a request, for a shell. Quotes so that the shell reads every byte as it is. */
export function curl(method: string, url: string, body?: unknown, { file, save }: CurlOptions = {}): string {
  const quote = (s: string) => `'${s.replaceAll("'", `'\\''`)}'`
  const parts = ['curl']
  if (method !== 'GET' && !(method === 'POST' && (body !== undefined || file !== undefined))) parts.push('-X', method)
  if (save) parts.push('-OJ')
  if (body !== undefined) parts.push('--json', quote(JSON.stringify(body)))
  if (file !== undefined) parts.push('-H', quote('Content-Type: application/octet-stream'), '--data-binary', quote(`@${file}`))
  parts.push(quote(url))
  return parts.join(' ')
}
