// The lines of a log view: bounded, filtered, with their colours as classes (the page's policy allows no style attributes).
import { AnsiUp } from 'ansi_up'

export type LogLine = { at?: string; stream?: 'stdout' | 'stderr' | string; text: string }

/** Keeps the newest lines; how many were let go is told. */
export class LogBuffer {
  private lines: LogLine[] = []
  dropped = 0
  version = 0

  constructor(readonly most = 20_000) {}

  push(fresh: readonly LogLine[]) {
    this.lines.push(...(fresh.length > this.most ? fresh.slice(-this.most) : fresh))
    this.dropped += Math.max(0, fresh.length - this.most)
    if (this.lines.length > this.most * 1.25) { // not at each line: moving them costs
      this.dropped += this.lines.length - this.most
      this.lines = this.lines.slice(-this.most)
    }
    this.version++
  }

  clear() {
    this.lines = []
    this.dropped = 0
    this.version++
  }

  get length() {
    return this.lines.length
  }

  /** The lines as they are; not to be changed. */
  all(): readonly LogLine[] {
    return this.lines
  }

  filter(text: string, stream: string): readonly LogLine[] {
    const want = text.toLowerCase()
    if (!want && !stream) return this.lines
    return this.lines.filter((l) => (!stream || l.stream === stream) && (!want || plain(l.text).toLowerCase().includes(want)))
  }
}

// eslint-disable-next-line no-control-regex
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g

/** A line without its escape sequences: what a filter looks at and what is copied. */
export const plain = (text: string) => (text.includes('\x1b') ? text.replace(ESCAPES, '') : text)

const ansi = new AnsiUp()
ansi.use_classes = true
ansi.escape_html = true
ansi.url_allowlist = {} // no links from what a process wrote

/** HTML of a line; null when it has no colours and can be shown as text. Anything but the classes is escaped. */
export function coloured(text: string): string | null {
  if (!text.includes('\x1b')) return null
  const html = ansi.ansi_to_html(text) + ansi.ansi_to_html('\x1b[0m')
  return html.replaceAll(/<span style="[^"]*"/g, (tag) => {
    const classes = [tag.includes('font-weight:bold') && 'ansi-bold', tag.includes('opacity') && 'ansi-faint', tag.includes('italic') && 'ansi-italic', tag.includes('underline') && 'ansi-underline']
    const own = classes.filter(Boolean).join(' ')
    return own ? `<span data-class="${own}"` : '<span'
  }).replaceAll(/<span data-class="([^"]*)" class="([^"]*)"/g, '<span class="$1 $2"').replaceAll('data-class=', 'class=')
}
