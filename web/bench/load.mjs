// How soon the overview can be used, and what it loads.

/** Runs in the page before anything else: looks at each frame whether the page can be used, and when. */
function watch() {
  const seen = { interactive: null, blocked: 0 }
  let tell
  window.__bench = new Promise((done, failed) => {
    tell = done
    setTimeout(() => failed(new Error('the overview could not be used within 60 s')), 60_000)
  })
  new PerformanceObserver((list) => {
    for (const e of list.getEntries()) if (seen.interactive === null || e.startTime < seen.interactive) seen.blocked += Math.max(0, e.duration - 50)
  }).observe({ type: 'longtask', buffered: true })
  const ready = () => {
    const main = document.querySelector('main')
    if (!main || main.querySelector('[class*="skeleton"]')) return false
    const curves = [...main.querySelectorAll('figure[role="img"]')]
    return Boolean(main.querySelector('[data-testid="numbers"]')) && curves.length >= 4
      && curves.every((f) => f.querySelector('canvas') && !/Now: \S+ –/.test(f.getAttribute('aria-label')))
      && main.querySelectorAll('a[href^="/services/"]').length > 0 && main.querySelectorAll('[data-testid="events"] li').length > 0
  }
  const look = () => {
    if (!ready()) return requestAnimationFrame(look)
    // Drawn in the frame after this one; then a task of its own must get its turn.
    requestAnimationFrame(() => {
      const c = new MessageChannel()
      c.port1.onmessage = () => {
        seen.interactive = performance.now()
        const told = () => {
          const painted = performance.getEntriesByName('first-contentful-paint')[0]?.startTime
          if (painted === undefined) return setTimeout(told, 10)
          const loaded = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
          // The frame is on the screen later than the page's thread is done with it.
          tell({ ...seen, painted, interactive: Math.max(seen.interactive, painted), bytes: loaded.reduce((n, e) => n + e.transferSize, 0), requests: loaded.length })
        }
        told()
      }
      c.port2.postMessage(0)
    })
  }
  requestAnimationFrame(look)
}

/** Waits for the first paint of a page. */
const painted = `new Promise((done) => new PerformanceObserver((list, o) => {
  const first = list.getEntriesByName('first-contentful-paint')[0]
  if (first) o.disconnect(), done(first.startTime)
}).observe({ type: 'paint', buffered: true }))`

/** What a page costs here that does nothing: the first paint of a few bytes of JSON. */
export const loadEmpty = (browser, url) => browser.profile((visit) => visit(`${url}/health`, painted))

/** The overview with an empty cache, and once more, as a user's browser (plain.mjs) loads it. */
export const loadOverview = (browser, url) => browser.profile(async (visit) => {
  const once = () => visit(`${url}/`, 'window.__bench', `(${watch})()`)
  return { first: await once(), again: await once() }
})

/** The overview with an empty cache in a browser that Playwright drives: with the developer tools' look at every request. */
export async function loadWatched(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  try {
    const page = await context.newPage()
    await page.addInitScript(watch)
    await page.goto(url)
    return await page.evaluate(() => window.__bench)
  } finally {
    await context.close()
  }
}
