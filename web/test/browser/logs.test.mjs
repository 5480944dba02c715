// The log of a service: searched through its rotated files, kept as a file, wrapped, followed or held still, and by an address.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

const LINES = 6000
const SERVICES = `
  demo-rotated:
    display_name: Rotated
    command: ["/bin/sh", "-c", "echo WARNING: the first of all; i=0; while [ $i -lt ${LINES} ]; do echo number $i of the run, with a few words to fill it; i=$((i+1)); done; exec sleep 100000"]
    logs: {max_size: 64KiB, keep: 50}
    autostart: true
  demo-wide:
    display_name: Wide
    command: ["/bin/sh", "-c", "head -c 4000 /dev/zero | tr '\\\\\\\\0' w; echo; echo short; echo another short one; echo short of breath >&2; exec sleep 100000"]
    autostart: true
`
let server, browser
before(async () => {
  server = await startServer({ services: SERVICES })
  browser = await startBrowser()
  await until('the whole log to be written', async () => (await server.api('/api/services/demo-rotated/logs?lines=1')).body.logs[0]?.startsWith(`number ${LINES - 1} `))
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

const open = async (path) => (await openPage(browser.context, server.url + path)).page
const log = (page) => page.getByRole('log')
const press = (page, name) => page.getByRole('button', { name, exact: true }).click()
const pressed = (page, name) => page.getByRole('button', { name, exact: true }).getAttribute('aria-pressed')

test('a search finds what stands in a rotated, compressed file', async () => {
  await server.kill()
  await server.restart() // files are compressed when it begins, and each minute
  await until('a rotated file to be compressed', () => readdirSync(join(server.dir, 'data/logs'), { recursive: true }).some((f) => f.includes('demo-rotated') && f.endsWith('.zst')))
  const page = await open('/services/demo-rotated')
  await log(page).getByText(`number ${LINES - 1} of`).waitFor()
  assert.equal(await log(page).getByText('number 7 of').count(), 0) // long rotated away from what is followed
  await page.getByRole('textbox', { name: 'Search the whole log' }).fill('NUMBER 7 of')
  await press(page, 'Search')
  await log(page).getByText('number 7 of the run').waitFor()
  await page.getByText('1 line', { exact: true }).waitFor()
  assert.match(page.url(), /q=NUMBER\+7\+of/)
  await page.close()
})

test('more than a page of what is found is looked through, back and forth', async () => {
  const page = await open('/services/demo-rotated?q=number')
  await page.getByText('2,000 lines', { exact: true }).waitFor()
  await log(page).getByText(`number ${LINES - 1} of`).waitFor()
  await press(page, 'Older')
  await log(page).getByText(`number ${LINES - 2001} of`).waitFor()
  await press(page, 'Newer')
  await log(page).getByText(`number ${LINES - 1} of`).waitFor()
  await page.close()
})

test('what is shown is downloaded: all of it, or what was searched for', async () => {
  const page = await open('/services/demo-rotated')
  const download = async () => {
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'download' }).click()])
    assert.equal(file.suggestedFilename(), 'demo-rotated.log')
    return readFileSync(await file.path(), 'utf8')
  }
  const all = await download()
  assert.match(all, /^WARNING.*\nnumber 0 of .*\n/)
  assert.equal(all.split('\n').length, LINES + 2)
  await page.goto(server.url + '/services/demo-rotated?q=' + encodeURIComponent('number 77 of'))
  assert.equal(await download(), 'number 77 of the run, with a few words to fill it\n')
  await page.close()
})

test('a level chooses among all lines of the log, those of rotated files too', async () => {
  const page = await open('/services/demo-rotated?level=warn')
  await log(page).getByText('WARNING: the first of all').waitFor()
  await page.getByText('1 line', { exact: true }).waitFor()
  await press(page, 'level: warn+')
  await page.getByRole('menuitem', { name: 'Errors' }).click()
  await page.getByText('No line is so grave').waitFor()
  await page.goto(server.url + '/services/demo-rotated?level=warn&q=the')
  await log(page).getByText('WARNING: the first of all').waitFor()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'download' }).click()])
  assert.equal(readFileSync(await file.path(), 'utf8'), 'WARNING: the first of all\n')
  await page.close()
})

test('a long line goes on in the next, and back, by an address too', async () => {
  const page = await open('/services/demo-wide')
  await log(page).getByText('short', { exact: true }).waitFor()
  // How many rows the long line takes, and whether it ends within its place.
  const rows = () => log(page).evaluate((e) => {
    // The first or, where what it writes to stderr came before, the second.
    const line = [...e.querySelectorAll('[data-index]')].find((l) => l.textContent.length > 1000)
    return line && { many: Math.round(line.offsetHeight / 18), fits: line.querySelector('span').getBoundingClientRect().right <= e.getBoundingClientRect().right }
  })
  const wrapped = (on) => until(on ? 'a line of several rows' : 'a line of one row', async () => {
    const r = await rows()
    return r && (on ? r.many > 5 && r.fits : r.many === 1 && !r.fits)
  })
  await wrapped(false)
  await press(page, 'wrap')
  await wrapped(true)
  assert.match(page.url(), /wrap=1/)
  await page.reload()
  await log(page).getByText('short', { exact: true }).waitFor()
  assert.equal(await pressed(page, 'wrap'), 'true')
  await wrapped(true)
  await press(page, 'wrap')
  await wrapped(false)
  await page.close()
})

test('it is held still while one reads what was, and goes on', async () => {
  const page = await open('/services/demo-lines')
  const count = async () => Number((await page.getByText(/^[\d,]+ lines?/).innerText()).replace(/\D/g, ''))
  const inSight = () => log(page).evaluate((e) => {
    const place = e.getBoundingClientRect()
    return [...e.querySelectorAll('[data-index]')].filter((l) => l.getBoundingClientRect().top >= place.top && l.getBoundingClientRect().bottom <= place.bottom).map((l) => l.textContent)
  })
  const ends = () => log(page).evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight < 30)
  await until('more lines than there is room for', async () => (await count()) > 80)
  await until('the end to be in sight', ends)
  await log(page).hover()
  await page.mouse.wheel(0, -400)
  await page.getByRole('button', { name: 'Newest', exact: true }).waitFor()
  assert.equal(await pressed(page, 'follow'), 'false')
  const seen = await until('lines that stay', async () => {
    const a = await inSight(), n = await count()
    await until('more lines', async () => (await count()) > n + 5)
    return JSON.stringify(a) === JSON.stringify(await inSight()) && a
  })
  assert.ok(seen.length > 5, `${seen.length} lines in sight`)
  assert.equal(await ends(), false)
  await page.getByRole('button', { name: 'Newest', exact: true }).click()
  await until('the end to be in sight again', ends)
  const n = await count()
  await until('it to stay there', async () => (await count()) > n + 5 && (await ends()))
  assert.equal(await pressed(page, 'follow'), 'true')
  await press(page, 'follow')
  assert.equal(await pressed(page, 'follow'), 'false')
  await page.close()
})

test('filters of the lines have an address, of the log and of a run', async () => {
  const page = await open('/services/demo-wide?stream=stderr&find=short')
  await log(page).locator('mark', { hasText: 'short' }).waitFor()
  await page.getByText('1 line', { exact: true }).waitFor()
  assert.equal(await pressed(page, 'stderr'), 'true')
  await press(page, 'all')
  await page.getByText('3 lines', { exact: true }).waitFor()
  assert.equal(new URL(page.url()).search, '?find=short')
  await page.getByRole('textbox', { name: 'Filter lines' }).fill('another short')
  await page.getByText('1 line', { exact: true }).waitFor()
  assert.equal(new URL(page.url()).searchParams.get('find'), 'another short')

  const { id } = (await server.api('/api/services/demo-wide/runs')).body.runs[0]
  await page.goto(`${server.url}/services/demo-wide?tab=runs&run=${id}&run-find=breath`)
  await page.getByRole('dialog').getByText('1 line', { exact: true }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  assert.equal(new URL(page.url()).search, '?tab=runs')
  await page.close()
})
