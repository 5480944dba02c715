// What is there for whom: who may not end processes has no button for it, and the server would refuse.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer } from './rig.mjs'

const PASSWORD = 'a long password'
let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
  for (const role of ['viewer', 'operator', 'admin']) assert.equal((await server.api('/api/auth/register', 'POST', { username: `a-${role}`, password: PASSWORD, role })).status, 200)
  await browser.context.setExtraHTTPHeaders({ 'X-Forwarded-For': '192.0.2.7' }) // as from behind a proxy: not the owner
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

async function loggedIn(role, path) {
  const { page } = await openPage(browser.context, server.url + path)
  await page.getByLabel('Name').fill(`a-${role}`)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('button', { name: 'Account' }).waitFor()
  return page
}

async function logOut(page) {
  await page.getByRole('button', { name: 'Account' }).click()
  await page.getByRole('menuitem', { name: 'Log out' }).click()
  await page.getByRole('button', { name: 'Log in' }).waitFor()
  await page.close()
}

for (const role of ['viewer', 'operator', 'admin']) {
  const may = role === 'admin'
  test(`${role}: ${may ? 'ends processes and changes definitions' : 'has no button to end processes or to change definitions'}`, async () => {
    const page = await loggedIn(role, '/processes?q=controlcenter')
    await page.getByRole('row').nth(1).waitFor()
    const buttons = page.getByRole('table').getByRole('button', { name: /^More for / })
    if (may) await buttons.first().waitFor()
    assert.equal(await buttons.count() > 0, may)
    const { pid, start_ticks } = (await server.api('/api/system/processes?search=controlcenter')).body.processes[0]
    if (!may) { // the server decides: the same request of this session is refused
      const status = await page.evaluate(async ([path, body]) => (await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })).status, [`/api/system/processes/${pid}/kill`, { signal: 'SIGTERM', start_ticks }])
      assert.equal(status, 403)
    }
    await page.goto(server.url + '/services/demo-steady')
    await page.getByRole('button', { name: 'Restart', exact: true }).waitFor()
    assert.equal(await page.getByRole('button', { name: 'Edit', exact: true }).count() > 0, may)
    await page.goto(server.url + '/services')
    await page.getByText('Steady demo').first().waitFor()
    assert.equal(await page.getByRole('button', { name: 'Add service' }).count() > 0, may)
    await logOut(page)
  })
}
