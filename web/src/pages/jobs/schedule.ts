// A schedule in words.
import type { Schemas } from '../../api/client'

const two = (s: string) => s.padStart(2, '0')
const DAYS: Record<string, string> = { 0: 'Sunday', 1: 'Monday', 2: 'Tuesday', 3: 'Wednesday', 4: 'Thursday', 5: 'Friday', 6: 'Saturday', 7: 'Sunday', SUN: 'Sunday', MON: 'Monday', TUE: 'Tuesday', WED: 'Wednesday', THU: 'Thursday', FRI: 'Friday', SAT: 'Saturday' }

/** The common forms of cron as words; others as they stand. */
export function cronWords(cron: string): string {
  const [minute, hour, day, month, weekday, ...rest] = cron.trim().split(/\s+/)
  if (!minute || !hour || !day || !month || !weekday || rest.length) return cron
  const n = (s: string) => /^\d+$/.test(s)
  const any = day === '*' && month === '*' && weekday === '*'
  if (any && hour === '*' && minute === '*') return 'every minute'
  if (any && hour === '*' && /^\*\/\d+$/.test(minute)) return `every ${minute.slice(2)} minutes`
  if (any && hour === '*' && n(minute)) return `every hour at :${two(minute)}`
  if (any && /^\*\/\d+$/.test(hour) && n(minute)) return `every ${hour.slice(2)} hours at :${two(minute)}`
  if (any && n(hour) && n(minute)) return `every day at ${two(hour)}:${two(minute)}`
  const on = DAYS[weekday.toUpperCase()]
  if (day === '*' && month === '*' && on && n(hour) && n(minute)) return `every ${on} at ${two(hour)}:${two(minute)}`
  return cron
}

export function scheduleWords(s: Schemas['ServiceSchedule']): string {
  if (s.cron) return cronWords(s.cron) + (s.timezone ? ` (${s.timezone})` : '')
  if (s.every) return `every ${s.every}`
  if (s.at) return `once, at ${s.at}`
  return 'only when asked'
}

/** What else the schedule says, in short. */
export const scheduleRules = (s: Schemas['ServiceSchedule']): string =>
  [s.cron && cronWords(s.cron) !== s.cron ? s.cron : '', s.overlap ? `overlap: ${s.overlap}` : '', s.timeout ? `at most ${s.timeout}` : '', s.retries ? `${s.retries} retries` : ''].filter(Boolean).join(', ')
