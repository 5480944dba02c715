// How grave a line is, by the word that says so: programs write levels in many ways, most as a word near the beginning.
import { plain, type LogLine } from '../../components/logLines'

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

const BEGINNING = 160 // a word far behind is part of a message
const WORDS: [Level, RegExp][] = [
  ['error', /\b(?:error|err|fatal|panic|critical|crit|exception|traceback)\b/i],
  ['warn', /\b(?:warn|warning)\b/i],
  ['debug', /\b(?:debug|trace|dbg)\b/i],
]
const FIELD = /\blevel["']?\s*[=:]\s*["']?([a-z]+)/i // logfmt and JSON say it themselves
const NAMES: Record<string, Level> = { fatal: 'error', panic: 'error', critical: 'error', crit: 'error', error: 'error', err: 'error', warning: 'warn', warn: 'warn', info: 'info', notice: 'info', debug: 'debug', trace: 'debug' }

export function levelOf(text: string): Level {
  const head = plain(text).slice(0, BEGINNING)
  const said = FIELD.exec(head)?.[1]?.toLowerCase()
  if (said && NAMES[said]) return NAMES[said]
  return WORDS.find(([, word]) => word.test(head))?.[0] ?? 'info'
}

const accepts = Object.fromEntries(LEVELS.map((least) => [least, (l: LogLine) => LEVELS.indexOf(levelOf(l.text)) >= LEVELS.indexOf(least)]))

/** The test of a line for "at least so grave"; undefined lets all pass. The same function for the same level. */
export const atLeast = (level: string | null): ((l: LogLine) => boolean) | undefined => (level ? accepts[level] : undefined)
