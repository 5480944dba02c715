// What holds for every page: no complaint in the console, nothing from elsewhere, no violation of accessibility in either
// theme, no sideways scrolling on a phone.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PAGES } from './pages.mjs'
import { accessibility, openPage, overflow, startBrowser, startServer } from './rig.mjs'

let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

for (const { name, path, ready } of PAGES) {
  for (const theme of ['light', 'dark']) {
    for (const width of [1440, 390]) {
      test(`${name} is clean, ${theme}, ${width} wide`, async () => {
        const { page, faults } = await openPage(browser.context, server.url + path, { theme, width })
        try {
          await ready(page)
          assert.equal(await page.locator('html').getAttribute('data-mantine-color-scheme'), theme)
          assert.deepEqual(await accessibility(page), [])
          assert.ok((await overflow(page)) <= 0, `${await overflow(page)} px wider than the window`)
          assert.deepEqual(faults, [])
        } finally {
          await page.close()
        }
      })
    }
  }
}

test('deep links, unknown pages and unknown API paths', async () => {
  const html = { headers: { Accept: 'text/html' } }
  for (const path of ['/services', '/services/demo-steady', '/knowledge']) assert.match((await fetch(server.url + path, html)).headers.get('content-type'), /^text\/html/)
  for (const path of ['/api/none', '/none']) {
    const r = await fetch(server.url + path, html)
    assert.equal(r.status, 404)
    assert.equal((await r.json()).success, false)
  }
  const r = await fetch(server.url + '/')
  assert.deepEqual(Object.keys(await r.json()).slice(0, 3), ['name', 'version', 'status'])
})
