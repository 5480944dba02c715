import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

const SECRET = 'hunter2-hunter2-hunter2-hunter2-hunter2'
let server, browser
before(async () => {
  server = await startServer({ config: `
auth: {jwt_secret: "${SECRET}"}
notify: {channels: {ops: {url: "http://127.0.0.1:1/hook/${SECRET}"}}}
`, services: `
  demo-secret:
    command: ["\${self}", demo, lines, --every, 1s]
    env: {API_TOKEN: "${SECRET}"}
` })
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

test('what is secret is masked: in the table, in a whole service, in the search', async () => {
  const { settings } = (await server.api('/api/config')).body
  assert.equal(settings.find((x) => x.key === 'auth.jwt_secret').secret, true)
  const { page } = await openPage(browser.context, server.url + '/settings?q=jwt_secret')
  const row = page.getByRole('row').filter({ hasText: 'auth.jwt_secret' })
  await row.getByText('secret', { exact: true }).waitFor()
  await row.getByText(settings.find((x) => x.key === 'auth.jwt_secret').value, { exact: true }).waitFor()
  await page.getByRole('textbox', { name: 'Search settings' }).fill('')
  await page.getByText('services.demo-secret').first().waitFor()
  await page.getByRole('row').filter({ hasText: 'services.demo-secret' }).getByText(/API_TOKEN.*\*\*\*/).waitFor()
  await page.getByText(/ops/).first().waitFor()
  assert.ok(!(await page.content()).includes('hunter2'))
  await page.getByRole('textbox', { name: 'Search settings' }).fill(SECRET)
  await page.getByText('No setting matches').waitFor()
  await page.getByRole('button', { name: 'Show all' }).click()
  await page.getByText('auth.jwt_secret').first().waitFor()
  await page.close()
})

test('a backup is downloaded, and restored after a question', async () => {
  const keys = async () => (await server.api('/api/keys')).body.keys.map((k) => k.name)
  await server.api('/api/keys', 'POST', { name: 'of before', role: 'viewer' })
  const { page } = await openPage(browser.context, server.url + '/settings?tab=about')
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download a backup' }).click()])
  assert.match(file.suggestedFilename(), /^controlcenter-\d{8}T\d{6}Z\.backup$/)
  await server.api('/api/keys', 'POST', { name: 'of after', role: 'viewer' })
  await page.getByLabel('Backup to restore').setInputFiles(await file.path())
  const dialog = page.getByRole('dialog', { name: 'Replace the whole state?' })
  await dialog.getByRole('button', { name: 'Cancel', exact: true }).click()
  await dialog.waitFor({ state: 'detached' })
  assert.deepEqual((await keys()).sort(), ['of after', 'of before']) // asked, and nothing done
  await page.getByLabel('Backup to restore').setInputFiles(await file.path())
  await dialog.getByRole('button', { name: 'Replace it' }).click()
  await page.getByText('Restored', { exact: true }).waitFor()
  await until('the state of the backup', async () => (await keys()).join() === 'of before')
  await page.getByRole('link', { name: 'API keys' }).click()
  await page.getByTestId('keys').getByText('of before').waitFor()
  assert.equal(await page.getByText('of after').count(), 0)
  await page.getByRole('button', { name: 'Revoke of before' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click()
  await page.getByText('There are no keys').waitFor()
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
