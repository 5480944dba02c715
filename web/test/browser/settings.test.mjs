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

test('the configuration agrees with the API and is searched', async () => {
  const { page, faults } = await openPage(browser.context, server.url + '/settings?q=listen_addresses')
  const setting = (await server.api('/api/config')).body.settings.find((x) => x.key === 'web.listen_addresses')
  const row = page.getByRole('row').filter({ hasText: setting.key })
  await row.getByText(setting.value, { exact: true }).waitFor()
  assert.deepEqual(faults, [])
  await page.close()
})

test('a key is shown once, works, is audited and revoked', async () => {
  const { page, faults } = await openPage(browser.context, server.url + '/settings?tab=keys')
  await page.getByLabel('Name').fill('prometheus')
  await page.getByRole('button', { name: 'Make the key' }).click()
  const key = await page.getByTestId('new-key').innerText()
  const ask = async () => (await (await fetch(server.url + '/api/auth/me', { headers: { Authorization: `Bearer ${key}` } })).json()).method
  assert.equal(await ask(), 'key')
  await page.reload()
  await page.getByTestId('keys').getByText('prometheus').waitFor()
  assert.ok(!(await page.content()).includes(key))
  await page.getByRole('button', { name: 'Revoke prometheus' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click()
  await page.getByText('There are no keys').waitFor()
  await until('the key to be refused', async () => (await ask()) !== 'key')
  await page.getByRole('link', { name: 'Audit', exact: true }).click()
  await page.getByTestId('audit').getByText(/DELETE \/api\/keys/).first().waitFor()
  assert.deepEqual(faults, [])
  await page.close()
})

test('a user is made, refused in the words of the server, and deleted', async () => {
  const { page } = await openPage(browser.context, server.url + '/settings?tab=users')
  await page.getByLabel('Name').fill('ada')
  await page.getByLabel('Password').fill('short')
  await page.getByRole('button', { name: 'Make the user' }).click()
  await page.getByRole('alert').filter({ hasText: 'The user was not made' }).waitFor()
  await page.getByLabel('Password').fill('long enough for all')
  await page.getByRole('button', { name: 'Make the user' }).click()
  await page.getByTestId('users').getByText('ada').waitFor()
  await page.getByRole('button', { name: 'Delete ada' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByText('There are no users').waitFor()
  await page.close()
})

test('a backup is restored only after a question; what is none is refused', async () => {
  const { page } = await openPage(browser.context, server.url + '/settings?tab=about')
  await page.getByLabel('Backup to restore').setInputFiles({ name: 'no.backup', mimeType: 'application/octet-stream', buffer: Buffer.from('no backup') })
  await page.getByRole('dialog').getByRole('button', { name: 'Replace it' }).click()
  await page.getByRole('alert').filter({ hasText: 'The backup was not restored' }).waitFor()
  await page.close()
})
