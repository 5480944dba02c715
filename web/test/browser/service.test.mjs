import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

const COLOURS = `
  demo-colours:
    display_name: Colours
    command: ["/bin/sh", "-c", "printf '\\\\033[32mgreen line\\\\033[0m\\\\n'; echo 'WARN slow <b>answer</b>' >&2; echo 'ERROR no such thing' >&2; echo plain; exec sleep 100000"]
    env: {API_TOKEN: "hunter2-hunter2", MODE: demo}
    autostart: true
`
let server, browser
before(async () => {
  server = await startServer({ services: COLOURS })
  browser = await startBrowser()
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

const open = async (path) => (await openPage(browser.context, server.url + path)).page
const log = (page) => page.getByRole('log')

test('the log is shown with its colours, its streams and levels apart', async () => {
  const page = await open('/services/demo-colours')
  await log(page).getByText('green line').waitFor()
  assert.equal(await log(page).locator('.ansi-green-fg').first().innerText(), 'green line')
  await log(page).getByText('slow <b>answer</b>').waitFor() // what a process writes is text
  await page.getByRole('button', { name: 'stderr', exact: true }).click()
  await log(page).getByText('plain', { exact: true }).waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'all', exact: true }).click()
  await log(page).getByText('plain', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'level', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Errors' }).click()
  await log(page).getByText('slow').waitFor({ state: 'detached' })
  await log(page).getByText('ERROR no such thing').waitFor()
  assert.match(page.url(), /level=error/)
  await page.close()
})

test('new lines come by themselves, and after a stop and a start', async () => {
  const page = await open('/services/demo-lines')
  const count = async () => Number((await page.getByText(/^[\d,]+ lines/).innerText()).replace(/\D/g, ''))
  const first = await until('lines', count)
  await until('more lines', async () => (await count()) > first + 5)
  await page.getByRole('button', { name: 'Stop', exact: true }).click()
  await page.getByTestId('service-numbers').getByText('stopped', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await page.getByTestId('service-numbers').getByText('running', { exact: true }).waitFor()
  const again = await count()
  await until('more lines after the start', async () => (await count()) > again + 5)
  await page.close()
})

test('the whole log is searched, by an address too', async () => {
  const page = await open('/services/demo-colours?q=no+such')
  await log(page).getByText('ERROR no such thing').waitFor()
  assert.equal(await log(page).getByText('green line').count(), 0)
  await page.getByRole('button', { name: 'Back to live' }).click()
  await log(page).getByText('green line').waitFor()
  await page.getByRole('textbox', { name: 'Search the whole log' }).fill('in-no-line-at-all')
  await page.getByRole('button', { name: 'Search', exact: true }).click()
  await page.getByText('No line matches').waitFor()
  await page.close()
})

test('a crash shows its code, its last lines and its log', async () => {
  const page = await open('/services/demo-crash?tab=runs')
  await page.getByText('No runs yet').waitFor()
  await server.api('/api/services/demo-crash/start?wait=none', 'POST')
  const list = page.getByRole('list', { name: 'Runs of demo-crash' })
  await list.getByText('code 3', { exact: true }).waitFor()
  const { body } = await until('the run to end', async () => {
    const r = await server.api('/api/services/demo-crash/runs')
    return r.body.runs[0]?.finished_at && r
  })
  const last = body.runs[0].lines.at(-1)
  await list.getByRole('button', { name: 'last lines' }).click()
  await list.getByText(last).waitFor()
  await list.getByRole('button', { name: /^Log of the run/ }).click()
  await page.getByRole('dialog').getByRole('log').getByText(last).waitFor()
  assert.match(page.url(), new RegExp(`run=${body.runs[0].id}`))
  await page.close()
})

test('a start that fails shows the reason of the server', async () => {
  const page = await open('/services/demo-missing')
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  const { body } = await server.api('/api/services/demo-missing/start', 'POST')
  await page.getByRole('alert').getByText(body.error).first().waitFor()
  await page.close()
})

test('the definition has probes as they are and no secret', async () => {
  const page = await open('/services/demo-steady?tab=about')
  await page.getByText('readiness', { exact: true }).waitFor()
  await page.getByText('well', { exact: true }).waitFor()
  await page.close()
  const secret = await open('/services/demo-colours?tab=about')
  await secret.getByText('********').first().waitFor()
  assert.ok(!(await secret.content()).includes('hunter2'))
  await secret.close()
})

test('an unknown service says so', async () => {
  const page = await open('/services/none-such')
  await page.getByText('There is no service of this name').waitFor()
  await page.close()
})
