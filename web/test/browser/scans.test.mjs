// Scans of a knowledge folder as they go: how far they are, how one is ended, which files were at fault.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { accessibility, openPage, startBrowser, startServer, until } from './rig.mjs'

const FILES = 12_000 // as many as take a few steps of the progress, which is told five times a second
const dir = mkdtempSync(join(tmpdir(), 'controlcenter-scans-'))
const hold = join(dir, 'hold') // while it is there, a scan waits for the outside tool
let server, browser
before(async () => {
  const folder = join(dir, 'root/ai-agents/ui-ux/menus')
  mkdirSync(folder, { recursive: true })
  for (let i = 0; i < FILES; i++) writeFileSync(join(folder, `f${i}.md`), `# Note ${i}\n\n## Key Insights\n1. Menu ${i} has at most two levels\n2. A search box at the top of it\n`)
  writeFileSync(join(folder, 'binary.md'), Buffer.from([35, 32, 0, 1, 2, 10]))
  writeFileSync(join(folder, 'broken.md'), '---\ntitle: [never closed\n---\n\n# Broken\n')
  server = await startServer({ knowledge: join(dir, 'root'), config: `  scan: {command: ["/bin/sh", "-c", "while [ -e '${hold}' ]; do sleep 0.1; done"]}\n` })
  browser = await startBrowser()
  await until('the first scan to end', async () => (await server.api('/api/knowledge/jobs')).body.jobs.some((j) => j.status === 'completed'))
})
after(async () => {
  rmSync(hold, { force: true })
  await browser?.stop()
  await server?.stop()
  rmSync(dir, { recursive: true, force: true })
})

const jobs = async () => (await server.api('/api/knowledge/jobs')).body.jobs

test('how far a scan is, is told while it goes on', async () => {
  const { page, faults } = await openPage(browser.context, server.url + '/knowledge?tab=scans')
  await page.getByText('completed').first().waitFor()
  const before = (await jobs()).map((j) => j.id)
  await page.evaluate(() => { // every state of the card, however short
    window.told = []
    const look = () => {
      const card = document.querySelector('[data-testid="scan-progress"]')
      const share = card?.querySelector('[role="meter"]')?.getAttribute('aria-valuenow')
      if (card) window.told.push([card.textContent, Number(share), card.closest('[aria-label]').getAttribute('aria-label')])
    }
    new MutationObserver(look).observe(document.querySelector('main'), { childList: true, subtree: true, characterData: true, attributes: true })
  })
  await page.getByRole('button', { name: 'More about scans' }).click()
  await page.getByRole('menuitem', { name: 'Read all files again' }).click()
  const job = await until('the scan to end', async () => (await jobs()).find((j) => !before.includes(j.id) && j.kind !== 'command' && j.finished_at)) // the outside tool is first
  assert.deepEqual([job.status, job.files_parsed], ['completed', FILES + 2])
  await page.getByTestId('scan-progress').waitFor({ state: 'detached' }) // told of the end, too
  await page.getByRole('row').nth(1).getByText('completed').waitFor()
  const told = await page.evaluate(() => window.told)
  // The look at new folders that follows the first scan may still be under way: each scan has its own card.
  const scans = new Map()
  for (const [text, share, label] of told) if (share > 0 && share < 100 && / read/.test(text)) scans.set(label, [...(scans.get(label) ?? []), share])
  assert.ok(scans.size > 0, `no step between none and all: ${JSON.stringify(told.slice(0, 5))}`)
  for (const [label, steps] of scans) assert.deepEqual(steps, [...steps].sort((x, y) => x - y), `${label}: it only rises`)
  assert.deepEqual(faults, [])
  await page.close()
})

test('a scan that goes on is cancelled', async () => {
  const { page, faults } = await openPage(browser.context, server.url + '/knowledge?tab=scans')
  await page.getByText('completed').first().waitFor()
  writeFileSync(hold, '')
  await page.getByRole('button', { name: 'Scan now' }).click()
  const card = page.getByRole('region', { name: /^The outside tool runs/ })
  await card.waitFor()
  await page.mouse.move(0, 0) // off a button that came below it and would have its hint shown
  assert.deepEqual(await accessibility(page), [])
  await card.getByRole('button', { name: 'Cancel', exact: true }).click()
  // The outside tool is what went on; it did not end by itself. The files are looked at after it, however it ended.
  await until('the tool to be cancelled', async () => (await jobs()).find((j) => j.kind === 'command').status === 'cancelled')
  assert.ok(existsSync(hold))
  await card.waitFor({ state: 'detached' })
  await page.getByRole('row').filter({ hasText: 'command by' }).first().getByText('cancelled', { exact: true }).waitFor()
  assert.deepEqual(faults, [])
  await page.close()
})

test('files at fault are listed with their reasons, as the API has them', async () => {
  rmSync(hold, { force: true })
  const job = (await jobs()).find((j) => j.errors_total > 1 && j.status === 'completed') // a scan for changes names only what it could not take at all
  assert.deepEqual(job.errors.map((e) => [e.path.split('/').at(-1), e.reason]).sort(), [['binary.md', 'binary'], ['broken.md', 'bad_front_matter']])
  const { page, faults } = await openPage(browser.context, `${server.url}/knowledge?tab=scans&sort=-faults`)
  await page.locator('th[aria-sort="descending"]', { hasText: 'Faults' }).waitFor()
  await page.getByRole('row').nth(1).getByRole('cell', { name: '2', exact: true }).waitFor()
  await page.goto(`${server.url}/knowledge?tab=scans&job=${job.id}`)
  const table = page.getByRole('region', { name: 'Faults by file' })
  for (const e of job.errors) {
    const row = table.getByRole('row').filter({ hasText: e.path })
    await row.getByText(e.reason, { exact: true }).waitFor()
    if (e.detail) await row.getByText(e.detail, { exact: true }).waitFor()
  }
  assert.equal(await table.getByRole('row').count(), job.errors.length + 1)
  assert.deepEqual(await accessibility(page), [])
  assert.deepEqual(faults, [])
  await page.close()
})
