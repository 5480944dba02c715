import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

let server, browser, listener, client, port
before(async () => {
  listener = createServer()
  await new Promise((done) => listener.listen(0, '127.0.0.1', done))
  port = listener.address().port
  client = connect(port, '127.0.0.1')
  await new Promise((done) => client.once('connect', done))
  server = await startServer()
  browser = await startBrowser()
})
after(async () => {
  client?.destroy()
  listener?.close()
  await browser?.stop()
  await server?.stop()
})

const open = (path) => openPage(browser.context, server.url + path)
const rowOf = (page, n) => page.getByRole('row').filter({ has: page.getByRole('cell', { name: String(n), exact: true }) })

test('a port of this test has its owner, and its address is that of the API', async () => {
  const { page, faults } = await open(`/ports?range=all&q=${port}`)
  const row = rowOf(page, port)
  await row.getByText('listen', { exact: true }).waitFor()
  await row.getByRole('link', { name: new RegExp(`${process.pid}$`) }).waitFor()
  await row.getByText('127.0.0.1').waitFor()
  const api = (await server.api(`/api/system/ports?start=${port}&end=${port}`)).body.ports
  assert.deepEqual(api.map((p) => [p.port, p.pid]), [[port, process.pid]])
  await row.getByRole('link', { name: new RegExp(`${process.pid}$`) }).click()
  await page.getByRole('textbox', { name: 'Search processes' }).waitFor()
  await page.getByRole('cell', { name: String(process.pid), exact: true }).waitFor()
  assert.deepEqual(faults, [])
  await page.close()
})

test('the port of a service names the service', async () => {
  const [steady] = (await server.api('/api/services/demo-steady')).body.ports
  const { page } = await open('/ports?range=all')
  await page.getByRole('textbox', { name: 'Search ports' }).fill(String(steady))
  await rowOf(page, steady).getByRole('link', { name: 'demo-steady', exact: true }).waitFor()
  await rowOf(page, steady).getByRole('link', { name: 'demo-steady', exact: true }).click()
  await page.getByRole('heading', { name: 'Steady demo', level: 1 }).waitFor()
  await page.close()
})

test('ranges and connections are switched, by an address too', async () => {
  const { page } = await open('/ports')
  await page.getByText('1 to 1023', { exact: true }).first().click()
  await page.getByText(/in 1 to 1023/).waitFor()
  assert.match(page.url(), /range=low/)
  await page.getByText('All ports', { exact: true }).click()
  await page.getByText(/in 1 to 65535/).waitFor()
  await page.getByText('All sockets', { exact: true }).click()
  assert.match(page.url(), /state=all/)
  await page.getByRole('textbox', { name: 'Search ports' }).fill(`127.0.0.1:${client.localPort}`)
  await page.getByRole('row').filter({ hasText: 'established' }).filter({ hasText: `127.0.0.1:${client.localPort}` }).waitFor()
  await page.getByRole('textbox', { name: 'Search ports' }).fill('no-such-owner')
  await page.getByText('No port matches').waitFor()
  await page.close()
})

test('a port that is closed goes away by itself', async () => {
  const other = createServer()
  await new Promise((done) => other.listen(0, '127.0.0.1', done))
  const { port: n } = other.address()
  const { page } = await open(`/ports?range=all&q=${n}`)
  await rowOf(page, n).waitFor()
  await new Promise((done) => other.close(done))
  await until('the row to go', async () => (await rowOf(page, n).count()) === 0)
  await page.close()
})
