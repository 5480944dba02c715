// Pictures of every page, both themes and widths, into docs/images.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { PAGES } from './pages.mjs'
import { openPage, root, startBrowser, startServer, until } from './rig.mjs'

const out = process.env.SHOTS ?? join(root, 'docs/images')
mkdirSync(out, { recursive: true })
const server = await startServer()
const browser = await startBrowser()
try {
  await server.api('/api/services/demo-missing/start', 'POST')
  const seconds = Number(process.env.SHOTS_AFTER ?? 60) // so that curves have a past
  const since = Date.now()
  await until('curves to have a past', () => Date.now() - since > seconds * 1000, seconds * 1000 + 60_000)
  for (const { name, path, ready } of PAGES) {
    for (const theme of ['light', 'dark']) {
      for (const [width, height, size] of [[1440, 900, 'wide'], [390, 844, 'phone']]) {
        const { page } = await openPage(browser.context, server.url + path, { theme, width, height })
        await ready(page)
        await page.waitForFunction(() => !document.querySelector('main [class*="skeleton"]'))
        await page.screenshot({ path: join(out, `${name}-${theme}-${size}.png`), fullPage: true })
        await page.close()
      }
    }
  }
} finally {
  await browser.stop()
  await server.stop()
}
