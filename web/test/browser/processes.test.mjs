import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { accessibility, openPage, startBrowser, startServer, until } from './rig.mjs'

let server, browser, parent
const mark = `cc${process.pid}x` // in the names of two processes, and of no other
const dir = mkdtempSync(join(tmpdir(), 'controlcenter-own-'))
before(async () => {
  // A process of the test with a child of its own, under names of their own: arguments are shown of the busiest only.
  copyFileSync('/bin/sh', join(dir, `${mark}a`))
  copyFileSync('/bin/sleep', join(dir, `${mark}b`))
  parent = spawn(join(dir, `${mark}a`), ['-c', `${join(dir, `${mark}b`)} 100000 & wait`], { stdio: 'ignore' })
  server = await startServer()
  browser = await startBrowser()
})
after(async () => {
  parent?.kill('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
  await browser?.stop()
  await server?.stop()
})

const open = (path) => openPage(browser.context, server.url + path)
const rows = (page) => page.getByRole('row').filter({ has: page.getByRole('cell') })
const column = (page, n) => page.locator(`tbody tr[data-index] td:nth-child(${n})`).allInnerTexts()
const own = async () => (await server.api(`/api/system/processes?search=${mark}&limit=500`)).body.processes

test('the list is sorted by a click on a heading, both ways', async () => {
  const { page, faults } = await open(`/processes?q=${mark}`)
  await until('both processes', async () => (await rows(page).count()) === 2)
  const pids = async () => (await column(page, 2)).map(Number)
  const sorted = (list, sign) => list.every((v, i) => i === 0 || sign * (v - list[i - 1]) >= 0)
  await page.getByRole('button', { name: 'PID' }).click()
  await page.locator('th[aria-sort="descending"]', { hasText: 'PID' }).waitFor()
  assert.ok(sorted(await pids(), -1), `falling: ${await pids()}`)
  await page.getByRole('button', { name: 'PID' }).click()
  await page.locator('th[aria-sort="ascending"]', { hasText: 'PID' }).waitFor()
  assert.ok(sorted(await pids(), 1), `rising: ${await pids()}`)
  assert.deepEqual(faults, [])
  await page.close()
})

test('the filter leaves what matches, as the API has it, and has an address', async () => {
  const { page } = await open('/processes')
  await page.getByRole('textbox', { name: 'Search processes' }).fill(mark)
  assert.equal((await own()).length, 2)
  await until('the rows that match', async () => (await rows(page).count()) === 2)
  assert.match(page.url(), new RegExp(`q=${mark}`))
  for (const p of await own()) {
    const row = rows(page).filter({ has: page.getByRole('cell', { name: String(p.pid), exact: true }) })
    await row.getByText(p.user, { exact: true }).waitFor()
    await row.getByText(p.name, { exact: true }).waitFor()
  }
  await page.getByRole('textbox', { name: 'Search processes' }).fill('no-such-process-anywhere')
  await page.getByText('No process matches').waitFor()
  await page.close()
})

test('the tree has a child below its parent, further in', async () => {
  const { page } = await open(`/processes?q=${mark}`)
  await rows(page).first().waitFor()
  await page.getByText('Tree', { exact: true }).click()
  const [sh, sleep] = [(await own()).find((p) => p.pid === parent.pid), (await own()).find((p) => p.ppid === parent.pid)]
  assert.ok(sh && sleep)
  await until('both in the tree', async () => { const pids = await column(page, 2); return pids.includes(String(sh.pid)) && pids.includes(String(sleep.pid)) })
  const pids = await column(page, 2)
  assert.equal(pids.indexOf(String(sleep.pid)), pids.indexOf(String(sh.pid)) + 1)
  const indent = (pid) => rows(page).filter({ has: page.getByRole('cell', { name: String(pid), exact: true }) }).locator('td:first-child > span').evaluate((e) => parseFloat(getComputedStyle(e).paddingLeft))
  await until('the child to be further in', async () => (await indent(sleep.pid)) > (await indent(sh.pid))) // a refresh may replace a row while it is read
  await page.close()
})

test('a process is ended only after a question', async () => {
  const { page } = await open(`/processes?q=${parent.pid}`)
  await page.getByRole('button', { name: `More for ${mark}a ${parent.pid}` }).click()
  await page.getByRole('menuitem', { name: 'Kill (SIGKILL)' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText(String(parent.pid), { exact: true }).waitFor()
  await page.getByRole('dialog', { name: `Kill ${mark}a?` }).waitFor()
  assert.deepEqual(await accessibility(page), [])
  await dialog.getByRole('button', { name: 'Cancel', exact: true }).click()
  await dialog.waitFor({ state: 'detached' })
  assert.equal(parent.exitCode ?? parent.signalCode, null) // it lives
  const ended = new Promise((done) => parent.once('exit', (_, signal) => done(signal)))
  await page.getByRole('button', { name: `More for ${mark}a ${parent.pid}` }).click()
  await page.getByRole('menuitem', { name: 'Kill (SIGKILL)' }).click()
  await dialog.getByRole('button', { name: 'Kill it', exact: true }).click()
  assert.equal(await ended, 'SIGKILL')
  await page.getByText('No process matches').waitFor()
  for (const p of await own()) process.kill(p.pid) // the child, which the test began too
  await page.close()
})

test('the tree has all processes, more than the server lists at once', async () => {
  // Late children of one parent: their pids are the greatest, behind the first page.
  const crowd = spawn(join(dir, `${mark}a`), ['-c', `i=0; while [ $i -lt 520 ]; do ${join(dir, `${mark}b`)} 100000 & i=$((i+1)); done; wait`], { stdio: 'ignore', detached: true })
  try {
    await until('a crowd', async () => (await server.api('/api/system/processes?limit=1')).body.count > 520)
    const { page, faults } = await open(`/processes?view=tree&q=${mark}b`)
    // The crowd, its parent, the pair of above, and who started them.
    await until('all of them in the tree', async () => parseInt(await page.getByText(/^\d+ shown$/).innerText()) >= 520 + 1 + 2)
    assert.deepEqual(faults, [])
    await page.close()
  } finally {
    process.kill(-crowd.pid, 'SIGKILL')
  }
})
