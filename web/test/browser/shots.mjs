// Pictures of every page, both themes and widths, into docs/images. They are of a stage (stage.mjs): no name of the machine they
// are made on is in them. SHOTS_URL: of a stage that runs already. SHOTS_AFTER: seconds of life before them, so that curves have
// a past. SHOTS_ONLY: names of pages, with commas.
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { openPage, root, startBrowser, until } from './rig.mjs'
import { play, startStage } from './stage.mjs'

const text = (t) => (page) => page.locator('main').getByText(t).first().waitFor()
const SHOTS = [
  ['overview', '/', (page) => page.getByTestId('numbers').waitFor()],
  ['services', '/services', text('Photo worker')],
  ['service', '/services/photo-worker', (page) => page.getByRole('log').getByText('resized').first().waitFor()],
  ['service-runs', '/services/mail-fetcher?tab=runs', text('75')],
  ['services-graph', '/services?tab=graph', (page) => page.getByTestId('graph-words').waitFor()],
  ['service-edit', '/services/album-copies?edit=1', (page) => page.getByRole('dialog').getByLabel('Description').waitFor()],
  ['jobs', '/jobs', text('every day at 03:00')],
  ['processes', '/processes', text('controlcenter')],
  ['ports', '/ports', text('photo-site')],
  ['knowledge', '/knowledge?q=light', (page) => page.getByTestId('hits').waitFor()],
  ['knowledge-file', async (stage) => `/knowledge?file=${(await (await fetch(stage.url + '/api/knowledge/search?query=' + encodeURIComponent('ip-adapter has:insight'))).json()).results[0].id}`, text('Back to the list')],
  ['knowledge-creators', '/knowledge?tab=creators', text(/priority/)],
  ['knowledge-scans', '/knowledge?tab=scans', text('completed')],
  ['agents', '/agents', text('Art Director')],
  ['usage', '/agents?tab=usage', text('gpt-4o')],
  ['alerts', '/alerts', text('Firing')],
  ['alerts-rules', '/alerts?tab=rules', text('service_failed')],
  ['settings', '/settings', text('web.listen_addresses')],
  ['settings-audit', '/settings?tab=audit', text('start')],
  ['login', '/login', (page) => page.getByRole('button', { name: 'Log in' }).waitFor(), { 'X-Forwarded-For': '192.0.2.7' }], // as from behind a proxy: not the owner
]

const out = process.env.SHOTS ?? join(root, 'docs/images')
const only = process.env.SHOTS_ONLY?.split(',')
mkdirSync(out, { recursive: true })
const running = process.env.SHOTS_URL
const stage = running ? { url: running, stop: async () => {} } : await startStage()
const browser = await startBrowser()
let total = 0
try {
  if (!running) {
    await play(stage)
    const seconds = Number(process.env.SHOTS_AFTER ?? 900)
    const since = Date.now()
    await until('curves to have a past', () => Date.now() - since > seconds * 1000, seconds * 1000 + 60_000)
  }
  for (const [name, path, ready, headers] of SHOTS) {
    if (only && !only.includes(name)) continue
    await browser.context.setExtraHTTPHeaders(headers ?? {})
    for (const theme of ['light', 'dark']) {
      for (const [width, height, size] of [[1440, 900, 'wide'], [390, 844, 'phone']]) {
        const { page, faults } = await openPage(browser.context, stage.url + (typeof path === 'string' ? path : await path(stage)), { theme, width, height })
        const file = join(out, `${name}-${theme}-${size}.png`)
        await ready(page).catch((e) => { throw new Error(`${name}: ${e.message}`) })
        await page.waitForFunction(() => !document.querySelector('main [class*="skeleton"]') && !document.querySelector('main')?.textContent?.includes('…undefined'))
        await page.evaluate(() => document.fonts.ready)
        // A page as long as a list of all processes is no picture: the upper part tells the same.
        const high = await page.evaluate(() => document.documentElement.scrollHeight)
        // A taller window, not a picture beyond it: what keeps to the window's edges stays there.
        await page.setViewportSize({ width, height: Math.min(high, size === 'wide' ? 1500 : 2200) })
        await page.evaluate(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))))
        await page.screenshot({ path: file })
        if (faults.length && !headers) console.error(`${name} ${theme} ${size}: ${faults.join('; ')}`)
        await page.close()
        // 256 colours are enough for a page; the same picture is a third as large.
        if (existsSync('/usr/bin/pngquant')) spawnSync('/usr/bin/pngquant', ['--force', '--skip-if-larger', '--strip', '--speed', '1', '--ext', '.png', file])
        total += statSync(file).size
      }
    }
    console.log(name)
  }
  console.log(`${(total / 1e6).toFixed(2)} MB${existsSync('/usr/bin/pngquant') ? '' : '; pngquant would make it a third (Debian package: pngquant)'}`)
} finally {
  await browser.stop()
  await stage.stop()
}
