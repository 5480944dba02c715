// With the keyboard alone: the order in which Tab goes through a page, and where the focus is in dialogs and after them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
  await server.api('/api/usage/budgets/total', 'PUT', { daily_usd: 2 })
  await server.api('/api/jobs/demo-job/run', 'POST')
  await until('the run of the job to end', async () => (await server.api('/api/jobs/demo-job/runs')).body.runs[0]?.finished_at)
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

const open = async (path) => (await openPage(browser.context, server.url + path)).page

// The name, the region and the place of what has the focus.
const focused = (page) => page.evaluate(() => {
  const e = document.activeElement
  if (!e || e === document.body) return null
  const { left, top } = e.getBoundingClientRect()
  const label = e.id ? document.querySelector(`label[for="${CSS.escape(e.id)}"]`)?.textContent : ''
  return { name: (e.getAttribute('aria-label') || label || e.textContent || e.getAttribute('title') || e.tagName).trim(), inMain: e.closest('main') !== null && e.tagName !== 'MAIN', left, top: top + scrollY }
})

/** What Tab comes by, from the start of the page, until it comes by `last`. */
async function walk(page, last, most = 80) {
  const seen = []
  while (seen.length < most) {
    await page.keyboard.press('Tab')
    const now = await focused(page)
    if (!now) break
    seen.push(now)
    if (now.name === last) return seen
  }
  assert.fail(`Tab did not come by ${last}: ${seen.map((x) => x.name).join(' | ')}`)
}

const PAGES = [
  ['/services', (page) => page.getByText('Steady demo').first().waitFor(), ['Add service', 'List', 'Dependencies', 'Search services', 'Tag', 'List of services', 'Choose all', 'Service', 'Choose Crashing demo', 'Start Crashing demo']],
  ['/services/demo-steady', (page) => page.getByRole('log').waitFor(), ['Stop', 'Restart', 'Edit', 'More for Steady demo', 'Logs', 'Search the whole log', 'Search', 'Filter lines', 'all', 'wrap', 'follow', 'level', 'download', 'Log of demo-steady, live']],
  ['/ports?range=all', (page) => page.getByText('demo-steady').first().waitFor(), ['Copy as curl', 'Search ports', 'List of ports', 'Port']],
  ['/settings?tab=keys', (page) => page.getByText('There are no keys').waitFor(), ['Configuration', 'API keys', 'Users', 'Audit', 'Name', 'May', 'Expires', 'Copy as curl']],
]

for (const [path, ready, wanted] of PAGES) {
  test(`Tab reaches the controls of ${path} in the order they are seen in`, async () => {
    const page = await open(path)
    await ready(page)
    const seen = await walk(page, wanted.at(-1))
    const names = seen.map((x) => x.name)
    assert.equal(names[0], 'Skip to the content')
    let from = names.lastIndexOf('Theme')
    assert.ok(names.indexOf('Overview') > 0 && names.indexOf('Overview') < names.indexOf('Settings') && names.indexOf('Settings') < from, names.join(' | '))
    for (const name of wanted) {
      const at = names.indexOf(name, from + 1)
      assert.ok(at > from, `${name} does not come after ${names[from]}: ${names.join(' | ')}`)
      from = at
    }
    // No step of those within the page goes up by more than a row, but from a row of controls to one that stands higher within it.
    const main = seen.filter((x) => x.inMain)
    for (let i = 1; i < main.length; i++) assert.ok(main[i].top > main[i - 1].top - 40, `from ${main[i - 1].name} up to ${main[i].name}`)
    await page.close()
  })
}

test('the first Tab leads past the navigation', async () => {
  const page = await open('/services')
  await page.getByText('Steady demo').first().waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  assert.equal((await focused(page)).name, 'Add service')
  await page.close()
})

const more = (name, item) => async (page) => {
  await page.getByRole('button', { name, exact: true }).click()
  await page.getByRole('menuitem', { name: item, exact: true }).click()
}
const press = (name) => (page) => page.getByRole('button', { name, exact: true }).click()
// What opens a dialog, and what has the focus when it was closed.
const DIALOGS = [
  ['a question', '/services', press('Stop Steady demo'), 'Stop Steady demo'],
  ['a question from a menu', '/services', more('More for Line writer', 'Kill'), 'More for Line writer'],
  ['the editor from a menu', '/services', more('More for Line writer', 'Edit'), 'More for Line writer'],
  ['the editor', '/services/demo-steady', press('Edit'), 'Edit'],
  ['a new service', '/services', press('Add service'), 'Add service'],
  ['the log of a run', '/jobs?job=demo-job', (page) => page.getByRole('button', { name: /^Log of the run/ }).click(), /^Log of the run/],
  ['a budget', '/agents?tab=usage', press('Change the budget of all APIs'), 'Change the budget of all APIs'],
  ['the keys', '/services', press('Keys'), 'Keys'],
]

for (const [what, path, act, back] of DIALOGS) {
  test(`${what} keeps the focus, and gives it back`, async () => {
    const page = await open(path)
    await act(page)
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    const within = () => dialog.evaluate((d) => d.contains(document.activeElement))
    await until('the focus to be in the dialog', within)
    const seen = new Set()
    for (let i = 0; i < 40; i++) { // more often than any of them has controls
      await page.keyboard.press(i % 8 === 7 ? 'Shift+Tab' : 'Tab')
      assert.ok(await within(), `Tab left the dialog after ${[...seen].join(' | ')}`)
      seen.add((await focused(page)).name)
    }
    assert.ok(seen.size >= 1)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    const target = page.getByRole('button', { name: back, exact: typeof back === 'string' })
    await until(`the focus to be on ${back}`, () => target.first().evaluate((e) => e === document.activeElement))
    await page.close()
  })
}
