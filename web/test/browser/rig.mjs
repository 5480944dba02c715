// What browser tests stand on: the real binary with real services in a folder of its own, and Debian's Chromium.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

export const root = new URL('../../../', import.meta.url).pathname
const binary = process.env.CC_TEST_BINARY ?? join(root, 'bin/controlcenter')
const browser = process.env.CC_CHROMIUM ?? '/usr/bin/chromium'
const PATIENCE = 60_000
// What is set for the tests is no setting of the server: it refuses CC_ variables that it does not know.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CC_')))

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--force-color-profile=srgb',
]

// What is open now: ended too when the tests are told to end before they are through.
const open = new Set()

function remember(stop) {
  let ended
  const once = () => (ended ??= Promise.resolve().then(stop).finally(() => open.delete(once)))
  open.add(once)
  return once
}

for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1]]) {
  process.on(signal, () => { // on, not once: a second signal must not cut the clearing away short
    const late = new Promise((done) => setTimeout(done, PATIENCE))
    void Promise.race([Promise.allSettled([...open].map((stop) => stop())), late]).then(() => process.exit(128 + number))
  })
}

/** A port nobody listens on now. */
export const freePort = () => new Promise((done, failed) => {
  const s = createServer()
  s.on('error', failed)
  s.listen(0, '127.0.0.1', () => {
    const { port } = s.address()
    s.close(() => done(port))
  })
})

/** Waits until check returns something true, and returns that. */
export async function until(what, check, patience = PATIENCE) {
  const end = Date.now() + patience
  let last
  for (;;) {
    try {
      const got = await check()
      if (got) return got
      last = got
    } catch (e) {
      last = e
    }
    if (Date.now() > end) throw new Error(`waited ${patience / 1000} s for: ${what} (${last instanceof Error ? last.message : JSON.stringify(last)})`)
    await new Promise((r) => setTimeout(r, 100))
  }
}

const demos = (port) => `
  demo-steady:
    display_name: Steady demo
    description: answers on a port and writes a line a second
    command: ["\${self}", demo, steady, --port, "${port}"]
    ports: [${port}]
    autostart: true
    tags: [demo, web]
    probes:
      readiness: {http: "http://127.0.0.1:${port}/health", interval: 1s}
  demo-lines:
    display_name: Line writer
    description: a numbered line every 100 ms
    command: ["\${self}", demo, lines, --every, 100ms]
    autostart: true
    tags: [demo]
  demo-crash:
    display_name: Crashing demo
    description: ends with code 3 as soon as it was started
    command: ["\${self}", demo, crash, --after, 1s]
    tags: [demo]
    restart: {policy: "no"}
  demo-worker:
    display_name: Worker
    description: needs the steady demo
    command: ["\${self}", demo, tree]
    autostart: true
    depends_on: {demo-steady: {condition: healthy}}
  demo-missing:
    display_name: Missing program
    description: cannot be started, its program does not exist
    command: ["/nowhere/program"]
  demo-job:
    type: job
    display_name: Demo job
    command: ["\${self}", demo, job]
    schedule: {cron: "0 3 * * *"}`

/** Starts the server with services of the demo modes, or without; more services and keys as YAML, another knowledge folder. */
export async function startServer({ services = '', config = '', demo = true, knowledge = join(root, 'examples/knowledge') } = {}) {
  if (!existsSync(binary)) throw new Error(`${binary} is missing: make build`)
  const dir = mkdtempSync(join(tmpdir(), 'controlcenter-web-'))
  const own = { ...env, TMPDIR: dir } // what it puts into the temporary directory goes with its own
  let child, output = ''
  const stop = remember(async () => {
    // "down" also ends the services and their keeper; without it they would go on.
    if (child) await new Promise((done) => spawn(binary, ['down', '--url', url], { stdio: 'ignore', env: own }).once('exit', done).once('error', done))
    await end('SIGTERM')
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  })
  const end = (signal) => new Promise((done) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return done()
    child.once('exit', done)
    child.kill(signal)
  })
  const [port, steady] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  const file = join(dir, 'controlcenter.yaml')
  writeFileSync(file, `
web: {listen_addresses: ["127.0.0.1:${port}"]}
knowledge:
  roots: [{id: examples, path: ${JSON.stringify(knowledge)}}]
${config}
services:${demo ? demos(steady) : ''}
${services}`)
  const run = async () => {
    child = spawn(binary, ['serve', `--config.file=${file}`, `--storage.path=${dir}/data`], { stdio: ['ignore', 'pipe', 'pipe'], env: own })
    for (const s of [child.stdout, child.stderr]) s.on('data', (d) => { output = (output + d).slice(-20_000) })
    await until('the server to answer', async () => {
      if (child.exitCode !== null) throw new Error(`the server ended: ${output}`)
      return (await fetch(`${url}/health`)).ok
    })
  }
  await run()
  const api = async (path, method = 'GET', body) => {
    const r = await fetch(url + path, { method, headers: body ? { 'Content-Type': 'application/json' } : {}, body: body && JSON.stringify(body) })
    return { status: r.status, body: await r.json() }
  }
  return {
    url, dir, api, output: () => output,
    kill: () => end('SIGKILL'),
    restart: run,
    stop,
  }
}

/** A browser with nothing in it. */
export async function startBrowser() {
  if (!existsSync(browser)) throw new Error(`${browser} is missing: scripts/need.sh installs it`)
  const profile = mkdtempSync(join(tmpdir(), 'controlcenter-chromium-'))
  let context
  const stop = remember(async () => {
    await context?.close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  })
  context = await chromium.launchPersistentContext(profile, { executablePath: browser, headless: true, args: FLAGS, viewport: null, handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false })
  return { context, stop }
}

/** Opens a page in a size and theme; what it complains of is in `faults`: console errors, violations of the policy, exceptions, requests elsewhere. */
export async function openPage(context, url, { width = 1440, height = 900, theme = 'light', reduced = true } = {}) {
  const page = await context.newPage()
  const faults = []
  page.setDefaultTimeout(PATIENCE)
  page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'warning') faults.push(`console: ${m.text()}`) })
  page.on('pageerror', (e) => faults.push(`exception: ${e.message}`))
  page.on('request', (r) => { if (!r.url().startsWith(new URL(url).origin) && !r.url().startsWith('data:')) faults.push(`request to ${r.url()}`) })
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`)))
  await page.setViewportSize({ width, height })
  await page.emulateMedia({ colorScheme: theme, reducedMotion: reduced ? 'reduce' : 'no-preference' })
  await page.goto(url)
  return { page, faults }
}

const axeSource = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

/** Violations of WCAG 2 A and AA, as short texts. */
export async function accessibility(page) {
  await page.evaluate(axeSource)
  return page.evaluate(async () => {
    const r = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    return r.violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} ${n.failureSummary?.split('\n').slice(1, 2).join(' ').trim() ?? ''}`).join(' | ')}`)
  })
}

/** How far the page is wider than the window. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
