import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

const rowOf = (page, name) => page.getByRole('row').filter({ has: page.getByText(name, { exact: true }) })
const stateOf = async (name) => (await server.api(`/api/services/${name}`)).body.service?.state ?? (await server.api('/api/services')).body.services.find((s) => s.name === name).state

test('each service is there as the API has it', async () => {
  const { page } = await openPage(browser.context, server.url + '/services')
  await rowOf(page, 'Worker').getByText('running').waitFor()
  const { body } = await server.api('/api/services')
  for (const s of body.services.filter((x) => x.type !== 'job')) {
    const row = rowOf(page, s.display_name)
    await row.waitFor()
    if (s.ports.length) await row.getByText(String(s.ports[0])).waitFor()
  }
  await rowOf(page, 'Steady demo').getByText('healthy').waitFor()
  await rowOf(page, 'Steady demo').getByText(/\d (MiB|KiB)$/).waitFor()
  await page.close()
})

test('stop and start are seen live, also by others', async () => {
  const a = await openPage(browser.context, server.url + '/services')
  const b = await openPage(browser.context, server.url + '/services')
  await rowOf(a.page, 'Line writer').getByText('running').waitFor()
  await a.page.getByRole('button', { name: 'Stop Line writer', exact: true }).click()
  for (const { page } of [a, b]) await rowOf(page, 'Line writer').getByText('stopped').waitFor()
  assert.equal(await stateOf('demo-lines'), 'stopped')
  await a.page.getByRole('button', { name: 'Start Line writer', exact: true }).click()
  for (const { page } of [a, b]) await rowOf(page, 'Line writer').getByText('running').waitFor()
  for (const { page, faults } of [a, b]) {
    assert.deepEqual(faults, [])
    await page.close()
  }
})

test('a start that fails says why, in the words of the server', async () => {
  const { page } = await openPage(browser.context, server.url + '/services')
  const answer = await server.api('/api/services/demo-missing/start', 'POST')
  assert.equal(answer.status, 500)
  await page.getByRole('button', { name: 'Start Missing program', exact: true }).click()
  const alert = page.getByRole('alert').filter({ hasText: 'Missing program: start failed' })
  await alert.getByText(answer.body.error).waitFor()
  await rowOf(page, 'Missing program').getByText('failed').waitFor()
  await page.close()
})

test('a crash is seen live', async () => {
  const { page } = await openPage(browser.context, server.url + '/services')
  await rowOf(page, 'Crashing demo').getByText('stopped').waitFor()
  await server.api('/api/services/demo-crash/start?wait=none', 'POST')
  await until('the crash to be shown', async () => /code 3|failed|exited/.test(await rowOf(page, 'Crashing demo').innerText()))
  await page.close()
})

test('what others need is stopped only after a question', async () => {
  const { page } = await openPage(browser.context, server.url + '/services')
  await rowOf(page, 'Worker').getByText('running').waitFor()
  await page.getByRole('button', { name: 'Stop Steady demo', exact: true }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('Worker needs it and will be stopped first.').waitFor()
  await dialog.getByRole('button', { name: 'Cancel', exact: true }).click()
  await dialog.waitFor({ state: 'detached' })
  assert.equal(await stateOf('demo-steady'), 'running')
  await page.getByRole('button', { name: 'Stop Steady demo', exact: true }).click()
  await dialog.getByRole('button', { name: 'Stop all of them', exact: true }).click()
  await rowOf(page, 'Steady demo').getByText('stopped').waitFor()
  await rowOf(page, 'Worker').getByText('stopped').waitFor()
  await page.close()
})

test('a tag is started as a whole', async () => {
  const { page } = await openPage(browser.context, server.url + '/services?tag=web')
  await page.getByText('all with').waitFor()
  await page.getByRole('group', { name: 'For the chosen services' }).getByRole('button', { name: 'Start', exact: true }).click()
  await rowOf(page, 'Steady demo').getByText('running').waitFor()
  await page.close()
})
