import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { freePort, openPage, startBrowser, startServer, until } from './rig.mjs'

let server, browser, sink, taken = []
before(async () => {
  const port = await freePort()
  sink = createServer((request, response) => {
    let body = ''
    request.on('data', (d) => (body += d)).on('end', () => {
      taken.push(JSON.parse(body))
      response.end('{}')
    })
  })
  await new Promise((done) => sink.listen(port, '127.0.0.1', done))
  server = await startServer({ config: `notify: {channels: {ops: {url: "http://127.0.0.1:${port}/hook"}, nobody: {url: "http://127.0.0.1:${await freePort()}/", min_severity: critical}}}` })
  browser = await startBrowser()
})
after(async () => {
  await browser?.stop()
  await server?.stop()
  sink?.close()
})

test('an alert is seen when it fires, is muted, and the mute is ended', async () => {
  const { page, faults } = await openPage(browser.context, server.url + '/alerts')
  await page.getByText('All is quiet').waitFor()
  await server.api('/api/services/demo-crash/start?wait=none', 'POST')
  const row = page.getByTestId('alerts-firing').getByRole('listitem').filter({ hasText: 'service_crashed' })
  await row.waitFor()
  const alert = (await server.api('/api/alerts')).body.alerts.find((a) => a.rule === 'service_crashed')
  await row.getByText(alert.summary).waitFor()
  await row.getByRole('button', { name: 'More for service_crashed of demo-crash' }).click()
  await page.getByRole('menuitem', { name: 'Mute for an hour', exact: true }).click()
  await row.getByText('muted', { exact: true }).waitFor()
  const mutes = (await server.api('/api/notify/mutes')).body.mutes
  assert.deepEqual(mutes.map((m) => [m.rule, m.service]), [['service_crashed', 'demo-crash']])
  await page.getByRole('link', { name: /^Mutes/ }).click()
  await page.getByTestId('mutes').getByText('service_crashed of demo-crash').waitFor()
  await page.getByTestId('mutes').getByRole('button', { name: 'End', exact: true }).click()
  await page.getByText('Nothing is muted').waitFor()
  assert.deepEqual((await server.api('/api/notify/mutes')).body.mutes, [])
  assert.deepEqual(faults, [])
  await page.close()
})

test('a mute is made by the form', async () => {
  const { page } = await openPage(browser.context, server.url + '/alerts?tab=mutes')
  await page.getByLabel('Service', { exact: true }).selectOption('demo-steady')
  await page.getByLabel('Reason').fill('being moved')
  await page.getByRole('button', { name: 'Mute', exact: true }).click()
  await page.getByTestId('mutes').getByText('being moved').waitFor()
  assert.equal((await server.api('/api/notify/mutes')).body.mutes[0].service, 'demo-steady')
  await page.close()
})

test('a test message arrives, and a failure is told in the words of the server', async () => {
  const { page } = await openPage(browser.context, server.url + '/alerts?tab=channels')
  const before = taken.length
  await page.getByRole('button', { name: 'Send a test to ops' }).click()
  await page.getByText('The channel took the message').waitFor()
  await until('the message to arrive', () => taken.length > before)
  await page.getByRole('button', { name: 'Send a test to nobody' }).click()
  await page.getByRole('alert').getByText(/nobody: the test message was not taken/).waitFor()
  await page.close()
})

test('deliveries and rules agree with the API', async () => {
  const { page } = await openPage(browser.context, server.url + '/alerts?tab=deliveries&state=delivered')
  await until('a delivery', async () => (await server.api('/api/notifications?state=delivered')).body.notifications.length > 0)
  await page.reload()
  await page.getByRole('listitem').filter({ hasText: 'to ops' }).first().getByText('delivered').waitFor()
  await page.getByRole('link', { name: 'Rules', exact: true }).click()
  for (const r of (await server.api('/api/notify/rules')).body.rules) await page.getByText(r.name, { exact: true }).waitFor()
  await page.close()
})
