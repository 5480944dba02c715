// Measures the dashboard in Debian's Chromium against the real binary: how soon the overview can be used, how the log of a
// service that writes 10,000 lines a second is followed, and what a first visit loads. Writes the section "Dashboard" of a
// Markdown file and leaves the others alone.
//
//   node bench/main.mjs [--quick] [-o FILE]
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { existsSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { chromium } from 'playwright-core'
import { startServer, until } from '../test/browser/rig.mjs'
import { followLog } from './follow.mjs'
import { loadEmpty, loadOverview, loadWatched } from './load.mjs'
import { startPlainBrowser } from './plain.mjs'
import { median, ms, replaceSection, table } from './report.mjs'

const args = process.argv.slice(2)
const quick = args.includes('--quick')
const output = args.includes('-o') ? args[args.indexOf('-o') + 1] : undefined
const [LOADS, FOLLOWS, SECONDS, RATE] = quick ? [3, 1, 10, 10_000] : [15, 3, 60, 10_000]
const executablePath = process.env.CC_CHROMIUM ?? '/usr/bin/chromium'
if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing: scripts/need.sh installs it`)

const say = (text) => console.error(`bench: ${text}`)
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--enable-precise-memory-info']
const browser = await chromium.launch({ executablePath, headless: true, args: flags })
const server = await startServer({ services: `
  bench-writer:
    display_name: Fast writer
    description: ${RATE} lines a second
    command: ["\${self}", demo, lines, --rate, "${RATE}", --stamp]
` })
const loads = { first: [], again: [], watched: [], empty: [] }
const follows = []
try {
  await until('demo-steady to be healthy', async () => (await server.api('/api/services/demo-steady')).body.health === 'healthy')
  const plain = await startPlainBrowser(executablePath, flags)
  try {
    await loadOverview(plain, server.url) // warms the server
    for (let i = 0; i < LOADS; i++) {
      say(`overview ${i + 1} of ${LOADS}`)
      const { first, again } = await loadOverview(plain, server.url)
      loads.first.push(first)
      loads.again.push(again)
      loads.watched.push(await loadWatched(browser, server.url))
      loads.empty.push(await loadEmpty(plain, server.url))
    }
  } finally {
    await plain.stop()
  }
  for (let i = 0; i < FOLLOWS; i++) {
    say(`following a log, ${SECONDS} s, ${i + 1} of ${FOLLOWS}`)
    await server.api('/api/services/bench-writer/start', 'POST')
    follows.push(await followLog(browser, `${server.url}/services/bench-writer`, SECONDS))
    await server.api('/api/services/bench-writer/stop', 'POST')
  }
} finally {
  await browser.close()
  await server.stop()
}

const of = (list, get) => median(list.map(get))
const most = (list, get) => Math.max(...list.map(get))
const least = (list, get) => Math.min(...list.map(get))
const version = execFileSync(executablePath, ['--version']).toString().trim().split(' ').slice(0, 2).join(' ')
const row = (name, list) => [name, ms(of(list, (l) => l.painted)), ms(of(list, (l) => l.interactive)), ms(least(list, (l) => l.interactive)), ms(most(list, (l) => l.interactive)), (of(list, (l) => l.bytes) / 1000).toFixed(1), `${of(list, (l) => l.requests)}`, ms(of(list, (l) => l.blocked))]
const text = `## Dashboard

${new Date().toISOString().slice(0, 10)}: ${cpus()[0].model}, ${cpus().length} CPUs, Linux ${release()}, ${version}, headless, load average at the end ${loadavg()[0].toFixed(2)}.
${quick ? '\n**A quick run. Do not quote it.**\n' : ''}
Browser, server, services and what is measured share the CPUs. Window 1440 x 900. A load average well above the number of CPUs means that other work
had most of them: times are then those of a busy machine, upper bounds.

### Overview

Medians of ${LOADS} visits on a warm server, each in a browser profile of its own. Interactive: the numbers of the live stream, all curves with the server's past, the list of services
and the events are drawn, no placeholder is left, the page's thread has answered a task after that, and the first frame is on the screen. Blocked: what tasks of the page took beyond 50 ms each, up to then.
Fastest and slowest: of the visits, until interactive. The browser is one that nobody looks into; the third row is the same visit while the developer tools
note every request, as they do in a browser that Playwright drives. The last row is \`/health\` in the same browser: what any page costs here, all of it first paints.

${table(['', 'first paint ms', 'interactive ms', 'fastest', 'slowest', 'KB on the wire', 'requests', 'blocked ms'], [
  row('first visit, empty cache', loads.first), row('again, from the cache', loads.again), row('first visit, developer tools attached', loads.watched), ['a page with nothing on it', ms(median(loads.empty)), '', ms(least(loads.empty, (n) => n)), ms(most(loads.empty, (n) => n))]])}
Targets: interactive within 1,000 ms, initial load at most 200 KB of gzip (what is on the wire has the answers of the API and the headers too; the WebSocket is not in it).

### Following a log

A service writes ${RATE.toLocaleString('en')} lines of 100 bytes a second for ${SECONDS} s, the page follows it. Medians of ${FOLLOWS} run${FOLLOWS > 1 ? 's' : ''}; the largest of all runs where it says so.
Delay: from the time the process wrote into its line until the frame after that in which the line is the last in sight. Frames: time between animation frames.
Heap: after a forced collection, ${follows[0].warm} s after the start and at the end; peak: largest of one look a second, garbage included.

${table(['', 'measured', 'target'], [
  ['lines a second that arrived', of(follows, (f) => f.rate).toFixed(0), ''],
  ['lines missed', `${follows.reduce((n, f) => n + f.missed, 0)}`, '0'],
  ['delay p50 / p95 / largest of all ms', `${ms(of(follows, (f) => f.delay.p50))} / ${ms(of(follows, (f) => f.delay.p95))} / ${ms(most(follows, (f) => f.delay.max))}`, '2000'],
  ['frame p50 / p95 / p99 / largest of all ms', `${ms(of(follows, (f) => f.frame.p50))} / ${ms(of(follows, (f) => f.frame.p95))} / ${ms(of(follows, (f) => f.frame.p99))} / ${ms(most(follows, (f) => f.frame.max))}`, '100'],
  ['frames over 100 ms', `${of(follows, (f) => f.frame.slow)} of ${of(follows, (f) => f.frame.count)}`, ''],
  ['heap begin / end / peak MiB', `${mib(of(follows, (f) => f.heap.begin))} / ${mib(of(follows, (f) => f.heap.end))} / ${mib(most(follows, (f) => f.heap.peak))}`, 'bounded'],
  ['elements of the document begin / end', `${of(follows, (f) => f.nodes.begin)} / ${of(follows, (f) => f.nodes.end)}`, 'bounded'],
  ['lines kept by the page at most', `${most(follows, (f) => f.kept).toLocaleString('en')}`, '25,000 and a message'],
])}`

console.log(text)
if (output) writeFileSync(output, replaceSection(existsSync(output) ? readFileSync(output, 'utf8') : '# Benchmarks\n\nWritten by `make bench`; every section is one run.\n', 'dashboard', text))

function mib(n) {
  return (n / 2 ** 20).toFixed(1)
}
