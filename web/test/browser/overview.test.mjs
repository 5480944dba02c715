import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { accessibility, openPage, overflow, startBrowser, startServer, until } from './rig.mjs'

let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

test('the overview shows what the API says', async () => {
  const { page } = await openPage(browser.context, server.url)
  const { body: stats } = await server.api('/api/system/stats')
  const { body: info } = await server.api('/api/system/info')
  const gib = (n) => `${(n / 2 ** 30).toFixed(n / 2 ** 30 >= 99.95 ? 0 : 1)} GiB`
  const numbers = page.locator('[data-testid="numbers"]')
  await numbers.getByText(gib(stats.memory.total), { exact: true }).waitFor()
  await numbers.getByText(`${stats.cores.length} cores`).waitFor()
  await page.getByRole('banner').getByText(info.hostname).waitFor()
  await page.getByRole('status').getByText('live', { exact: true }).waitFor()
  // The curve has the past that the server remembers, and says its newest value.
  await until('the CPU curve to say a value', async () => /Now: busy [\d.]+ %/.test(await page.getByRole('img', { name: /^CPU, last 15 minutes/ }).getAttribute('aria-label')))
  const { body } = await server.api('/api/events?limit=1')
  await page.locator('[data-testid="events"]').getByText(body.events[0].title).first().waitFor()
  await page.close()
})

// Opens the overview as of a machine with more cores: what the server says of its own is said again for the others. Only the
// first frame gets through, so that what is drawn of the past is what the server remembered.
async function withCores(many) {
  const page = await browser.context.newPage()
  const widen = (cores) => Array.from({ length: many ?? cores.length }, (_, i) => cores[i % cores.length])
  await page.routeWebSocket(/\/api\/live/, (socket) => {
    let told = false
    socket.connectToServer().onMessage((data) => {
      const frame = JSON.parse(data)
      if (frame.type === 'system_stats') {
        if (told) return
        told = true
        frame.cores = widen(frame.cores)
      }
      socket.send(JSON.stringify(frame))
    })
  })
  await page.route(/\/api\/system\/history/, async (route) => {
    const answer = await route.fetch()
    const body = await answer.json()
    await route.fulfill({ response: answer, json: { ...body, cores: widen(body.cores) } })
  })
  await page.goto(server.url)
  return page
}

test('each core has a curve that begins with the past, and says its value as text', async () => {
  await until('a past of more than one step', async () => {
    const { timestamps: t } = (await server.api('/api/system/history?since=900')).body
    return t.length > 1 && Math.floor(t.at(-1) / 10_000) > Math.floor(t[0] / 10_000) + 1
  })
  const { cores } = (await server.api('/api/system/stats')).body
  const page = await withCores()
  const list = page.getByTestId('cores').getByRole('listitem')
  await until('a curve for each core', async () => (await list.locator('polyline').count()) === cores.length)
  for (let i = 0; i < cores.length; i++) {
    assert.match(await list.nth(i).textContent(), new RegExp(`^Core ${i}\\d+ %, at most \\d+ % in the last 15 minutes$`))
    assert.ok((await list.nth(i).locator('polyline').getAttribute('points')).split(' ').length > 1)
  }
  await page.close()
})

test('sixty-four cores are told apart, on a phone too; of more the present is shown', async () => {
  for (const [many, curves] of [[64, 64], [200, 0]]) {
    const page = await withCores(many)
    await page.setViewportSize({ width: 390, height: 844 })
    const list = page.getByRole('list', { name: curves ? 'Cores' : 'Cores now', exact: true }).getByRole('listitem')
    await until(`${many} cores`, async () => (await list.count()) === many)
    await until('their curves', async () => (await list.locator('polyline').count()) === curves)
    assert.match(await list.last().textContent(), new RegExp(`^Core ${many - 1}:? ?[\\d.]+ %`))
    assert.ok((await overflow(page)) <= 0)
    assert.deepEqual(await accessibility(page), [])
    await page.close()
  }
})

test('what the first picture needs is asked for once, before the script has arrived', async () => {
  const early = JSON.parse(readFileSync(new URL('../../src/early.json', import.meta.url), 'utf8'))
  const page = await browser.context.newPage()
  const sockets = []
  page.on('websocket', (w) => sockets.push(w.url()))
  await page.addInitScript(() => {
    const ask = window.fetch
    window.asked = []
    window.fetch = (input, init) => {
      const path = typeof input === 'string' ? input : input.url.slice(location.origin.length)
      window.asked.push({ path, at: performance.now(), head: document.body === null })
      return ask(input, init)
    }
  })
  await page.goto(server.url)
  await page.locator('[data-testid="events"] li').first().waitFor()
  await page.locator('[data-testid="numbers"]').getByText(/ %$/).first().waitFor()
  const asked = await page.evaluate(() => window.asked)
  for (const path of [...early[''], ...early.overview]) {
    const [first, second] = asked.filter((e) => e.path === path)
    assert.ok(first?.head, `${path} is asked for when the head is read: ${JSON.stringify(asked)}`)
    assert.ok(!second || second.at > first.at + 4_000, `${path} at ${first.at} and again at ${second?.at}`) // polling
  }
  assert.equal(sockets.length, 1)
  assert.equal(await page.evaluate(() => window.ccAsked ?? window.ccSocket), undefined)
  await page.close()
})

const greyed = () => {
  const cards = [...document.querySelectorAll('main :is(section, figure, dl)')].filter((e) => !e.parentElement.closest('section, figure, dl'))
  return cards.length > 9 && cards.every((c) => Number(getComputedStyle(c).opacity) < 1)
}

test('the connection is lost and comes back by itself', async () => {
  const { page } = await openPage(browser.context, server.url)
  const state = page.getByRole('banner').getByRole('status')
  await state.getByText('live', { exact: true }).waitFor()
  await page.locator('[data-testid="numbers"]').getByText('CPU').waitFor() // the page itself is there, not only its frame
  await page.locator('[data-testid="numbers"]').getByText(/ %$/).first().waitFor()
  await server.kill()
  await state.getByText(/^connection lost, data from \d\d:\d\d:\d\d$/).waitFor()
  await until('old values to be greyed', async () => await page.evaluate(greyed))
  await server.restart()
  await state.getByText('live', { exact: true }).waitFor()
  await until('the values to be fresh again', async () => !await page.evaluate(greyed))
  await page.close()
})

test('a menu is loaded when it is wanted, opens at once and gives the focus back', async () => {
  const { page } = await openPage(browser.context, server.url)
  const button = page.getByRole('banner').getByRole('button', { name: 'Theme' })
  for (const time of ['first', 'second']) {
    await button.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: 'Dark' }).waitFor()
    assert.equal(await button.getAttribute('aria-expanded'), 'true', time)
    await page.keyboard.press('Escape')
    await page.getByRole('menuitem', { name: 'Dark' }).waitFor({ state: 'detached' })
    await until(`the ${time} time the focus to be on the button`, () => button.evaluate((e) => e === document.activeElement))
  }
  await button.click()
  await page.getByRole('menuitem', { name: 'Dark' }).click()
  await until('the dark theme', () => page.evaluate(() => document.documentElement.dataset.mantineColorScheme === 'dark'))
  await page.evaluate(() => localStorage.removeItem('controlcenter-theme'))
  await page.close()
})

test('keys go to pages, help, and search', async () => {
  const { page } = await openPage(browser.context, server.url)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('s')
  await page.getByRole('heading', { name: 'Services', level: 1 }).waitFor()
  await page.getByText('Steady demo', { exact: true }).waitFor()
  await page.keyboard.press('/')
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Search services')
  await page.keyboard.type('steady')
  await page.getByText('Line writer', { exact: true }).waitFor({ state: 'detached' })
  assert.match(page.url(), /\?q=steady$/)
  await page.keyboard.press('Tab')
  await page.locator('h1').click()
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await page.close()
})
