import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { accessibility, openPage, startBrowser, startServer } from './rig.mjs'

let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
  assert.equal((await server.api('/api/auth/register', 'POST', { username: 'grace', password: 'a long password', role: 'viewer' })).status, 200)
  await browser.context.setExtraHTTPHeaders({ 'X-Forwarded-For': '192.0.2.7' }) // as from behind a proxy: not the owner
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

test('who is not known is asked, refused in the words of the server, let in, and let out', async () => {
  const page = await browser.context.newPage()
  const asked = []
  page.on('request', (r) => asked.push(new URL(r.url()).pathname))
  await page.goto(server.url + '/services?q=steady')
  await page.getByRole('button', { name: 'Log in' }).waitFor()
  assert.ok(asked.filter((path) => path === '/api/auth/me').length <= 2, 'asked again and again') // before the script and, when that was too late, by it; no page is drawn that may not be seen
  assert.equal(asked.filter((path) => path === '/api/services/usage').length, 0)
  assert.deepEqual(await accessibility(page), [])
  await page.getByLabel('Name').fill('grace')
  await page.getByLabel('Password').fill('not the password')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('alert').getByText('Incorrect username or password').waitFor()
  await page.getByLabel('Password').fill('a long password')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('Steady demo').first().waitFor()
  assert.match(page.url(), /\/services\?q=steady$/)
  await page.getByRole('button', { name: 'Account' }).click()
  await page.getByRole('menuitem', { name: 'Log out' }).click()
  await page.getByRole('button', { name: 'Log in' }).waitFor()
  await page.close()
})

test('a code logs in once and does not stay in the address', async () => {
  const { code } = (await server.api('/api/auth/codes', 'POST')).body
  assert.ok(code)
  const { page } = await openPage(browser.context, `${server.url}/services#code=${encodeURIComponent(code)}`)
  await page.getByText('Steady demo').first().waitFor()
  assert.equal(new URL(page.url()).hash, '')
  await page.getByRole('button', { name: 'Account' }).click()
  await page.getByRole('menuitem', { name: 'Log out' }).click()
  await page.getByRole('button', { name: 'Log in' }).waitFor()
  await page.goto('about:blank')
  await page.goto(`${server.url}/#code=${encodeURIComponent(code)}`)
  await page.getByRole('alert').waitFor()
  await page.close()
})
