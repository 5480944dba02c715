// Follows the log of a service that writes stamped lines, as `controlcenter demo lines --stamp` does, and measures what one
// who looks at it notices.
import { quantile } from './report.mjs'

const WARM = 5 // seconds before anything counts

/** Runs in the page: frames, and how old the last line in sight is. */
function observe() {
  const m = { frames: [], delays: [], first: null, last: null, kept: 0, run: true }
  window.__follow = m
  const log = document.querySelector('[role="log"]')
  const newest = () => {
    const bottom = log.getBoundingClientRect().bottom
    let best = null
    for (const e of log.querySelectorAll('[data-index]')) if (e.getBoundingClientRect().bottom <= bottom + 2 && (!best || +e.dataset.index > +best.dataset.index)) best = e
    const found = best && /(\d{12}) (\d{13}) x/.exec(best.textContent)
    return found ? { line: +found[1], written: +found[2], index: +best.dataset.index } : null
  }
  let before = null, looked = 0
  const frame = (t) => {
    if (!m.run) return
    if (before !== null) m.frames.push(t - before)
    before = t
    if (t - looked >= 200) { // not at each frame: looking costs layout
      looked = t
      const n = newest()
      // What is in the document now is on the screen when the next frame begins.
      if (n) requestAnimationFrame(() => {
        m.delays.push(Date.now() - n.written)
        m.first ??= { ...n, at: performance.now() }
        m.last = { ...n, at: performance.now() }
        m.kept = Math.max(m.kept, n.index + 1)
      })
    }
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
}

export async function followLog(browser, url, seconds) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  try {
    const page = await context.newPage()
    await page.goto(url)
    await page.getByRole('log').getByText('xxxx').first().waitFor({ timeout: 60_000 })
    const cdp = await context.newCDPSession(page)
    await cdp.send('Performance.enable')
    await cdp.send('HeapProfiler.enable')
    const heap = async () => (await cdp.send('Performance.getMetrics')).metrics.find((m) => m.name === 'JSHeapUsedSize').value
    const clean = async () => {
      await cdp.send('HeapProfiler.collectGarbage')
      return heap()
    }
    const nodes = () => page.evaluate(() => document.querySelectorAll('*').length)
    const wait = (s) => new Promise((r) => setTimeout(r, s * 1000))
    // All lines that came, from what the view says of itself: lines in it and older ones let go.
    const came = () => page.evaluate(() => {
      const text = [...document.querySelectorAll('[class*="count"]')].map((e) => e.textContent).find((t) => / lines/.test(t)) ?? ''
      return (text.match(/[\d,.\u202f\u00a0]+(?= lines|(?: older))/g) ?? []).reduce((n, t) => n + Number(t.replace(/\D/g, '')), 0)
    })
    await wait(WARM)
    const begin = await clean()
    const elements = await nodes()
    let peak = begin
    await page.evaluate(observe)
    const since = performance.now()
    while (performance.now() - since < seconds * 1000) {
      await wait(1)
      peak = Math.max(peak, await heap())
    }
    const m = await page.evaluate(() => { window.__follow.run = false; return window.__follow })
    const end = await clean()
    if (m.delays.length === 0) throw new Error('no line was in sight')
    // Every line that is kept has the number after the one before it: a hole is a line that was missed.
    const missed = await page.evaluate(() => document.querySelectorAll('[role="log"] [data-index]').length > 0
      ? [...document.querySelectorAll('[role="log"] [data-index]')].map((e) => [+e.dataset.index, +(/(\d{12}) /.exec(e.textContent)?.[1] ?? NaN)]).sort((a, b) => a[0] - b[0]).reduce((n, [i, line], k, all) => n + (k > 0 && i === all[k - 1][0] + 1 ? Math.max(0, line - all[k - 1][1] - 1) : 0), 0)
      : NaN)
    return {
      warm: WARM, rate: (m.last.line - m.first.line) / ((m.last.at - m.first.at) / 1000), came: await came(), missed, kept: m.kept,
      delay: { p50: quantile(m.delays, 0.5), p95: quantile(m.delays, 0.95), max: Math.max(...m.delays) },
      frame: { p50: quantile(m.frames, 0.5), p95: quantile(m.frames, 0.95), p99: quantile(m.frames, 0.99), max: Math.max(...m.frames), slow: m.frames.filter((f) => f > 100).length, count: m.frames.length },
      heap: { begin, end, peak }, nodes: { begin: elements, end: await nodes() },
    }
  } finally {
    await context.close()
  }
}
