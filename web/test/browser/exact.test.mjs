// What is rounded for the eye is exact on hover, and each time says its UTC; sorting has an address.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
  await server.api('/api/services/demo-crash/start?wait=none', 'POST')
  await server.api('/api/jobs/demo-job/run', 'POST')
  await until('the run of the job to end', async () => (await server.api('/api/jobs/demo-job/runs')).body.runs[0]?.finished_at)
  await until('an alert to fire', async () => (await server.api('/api/alerts')).body.firing > 0)
  await until('the examples to be indexed', async () => (await server.api('/api/knowledge/jobs')).body.jobs.some((j) => j.status === 'completed'))
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

// Each has sizes, times or both.
const VIEWS = [
  ['/', 'time', 'size'], ['/services', 'size'], ['/services/demo-steady', 'time', 'size'], ['/services/demo-crash?tab=runs', 'time'], ['/services/demo-crash?tab=events', 'time'],
  ['/services/demo-steady?tab=about', 'time'], ['/jobs', 'time'], ['/processes', 'size'], ['/processes?view=tree', 'size'], ['/knowledge', 'time', 'size'], ['/knowledge?tab=scans', 'time'], ['/alerts', 'time'],
  ['/settings?tab=audit', 'time'],
]

for (const [path, ...kinds] of VIEWS) {
  test(`${path}: rounded values are exact on hover`, async () => {
    const { page } = await openPage(browser.context, server.url + path)
    const look = () => page.evaluate(() => {
      const main = document.querySelector('main')
      const titled = (e) => e.closest('[title]')?.getAttribute('title') ?? ''
      const times = [...main.querySelectorAll('time')].map((e) => [e.textContent, e.getAttribute('title') ?? '', e.getAttribute('datetime')])
      // The text of an element itself, without its children. Curves have a legend that follows the cursor to exact times.
      const own = [...main.querySelectorAll('*')].filter((e) => !e.closest('figure, pre, [role="log"], summary'))
        .map((e) => [[...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join(''), titled(e)])
      return { times, sizes: own.filter(([text]) => /\d (B|[KMGTP]iB)(\/s)?\b/.test(text)) }
    })
    const seen = await until(`what ${path} shows`, async () => {
      const now = await look()
      return kinds.every((k) => (k === 'time' ? now.times : now.sizes).length > 0) && now
    })
    for (const [text, title, at] of seen.times) {
      assert.match(title, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/, `of ${text}`)
      if (at) assert.equal(new Date(at).toISOString().slice(0, 19).replace('T', ' ') + ' UTC', title)
    }
    for (const [text, title] of seen.sizes) assert.match(title, /[\d,]+ bytes/, `of ${text}`)
    await page.close()
  })
}

test('the exact value is that of the server', async () => {
  const { page } = await openPage(browser.context, server.url)
  const disk = page.getByTestId('numbers').getByText('Disk', { exact: true }).locator('xpath=following-sibling::dd').first()
  await until('used bytes of the disk, between two of the server', async () => {
    const before = (await server.api('/api/system/stats')).body.disk.used
    const shown = Number((await disk.getAttribute('title')).replace(/[^\d]/g, ''))
    return Math.abs(shown - before) < 2 ** 30 && shown % 1024 === 0
  })
  await page.close()
})

for (const [path, heading, ready] of [
  ['/processes', 'Memory', 'controlcenter'], ['/services', 'Restarts', 'Steady demo'], ['/ports?range=all', 'Process', 'demo-steady'], ['/jobs', 'Next run', 'Demo job'], ['/agents', 'Knowledge files', 'Art Director'],
]) {
  test(`the sorting of ${path} has an address`, async () => {
    const { page, faults } = await openPage(browser.context, server.url + path)
    await page.getByText(ready).first().waitFor()
    const first = new URL(page.url()).search
    const th = page.locator('th', { has: page.getByRole('button', { name: heading, exact: true }) })
    await th.getByRole('button').click()
    const one = await th.getAttribute('aria-sort')
    assert.match(one, /^(ascending|descending)$/)
    const sort = new URL(page.url()).searchParams.get('sort')
    assert.equal(sort.startsWith('-'), one === 'descending')
    await page.reload()
    await page.locator(`th[aria-sort="${one}"]`, { hasText: heading }).waitFor()
    await th.getByRole('button').click()
    await page.locator(`th[aria-sort="${one === 'ascending' ? 'descending' : 'ascending'}"]`, { hasText: heading }).waitFor()
    await page.goto(server.url + path)
    await page.getByText(ready).first().waitFor()
    assert.equal(new URL(page.url()).search, first) // what is the order anyway is not in it
    assert.deepEqual(faults, [])
    await page.close()
  })
}
