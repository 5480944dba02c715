// One visit of the overview with an empty cache, and one more from the cache.

/** Runs in the page before anything else: looks at each frame whether the page can be used, and when. */
function watch() {
  const seen = { interactive: null, blocked: 0 }
  window.__bench = seen
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
      c.port1.onmessage = () => { seen.interactive = performance.now() }
      c.port2.postMessage(0)
    })
  }
  requestAnimationFrame(look)
}

async function visit(context, url) {
  const page = await context.newPage()
  await page.addInitScript(watch)
  const cdp = await context.newCDPSession(page)
  await cdp.send('Network.enable')
  let bytes = 0, requests = 0
  cdp.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength })
  cdp.on('Network.requestWillBeSent', () => { requests++ })
  await page.goto(url)
  await page.waitForFunction(() => window.__bench.interactive !== null, null, { timeout: 60_000 })
  const got = await page.evaluate(() => ({ ...window.__bench, painted: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0 }))
  await page.close()
  return { ...got, bytes, requests }
}

/** What a page costs here that does nothing: the first paint of a few bytes of JSON, in a profile of its own. */
export async function loadEmpty(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  try {
    const page = await context.newPage()
    await page.goto(`${url}/health`)
    return await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime, null, { timeout: 60_000 }).then((h) => h.jsonValue())
  } finally {
    await context.close()
  }
}

export async function loadOverview(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  try {
    return { first: await visit(context, url), again: await visit(context, url) }
  } finally {
    await context.close()
  }
}
