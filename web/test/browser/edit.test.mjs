import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { accessibility, openPage, overflow, startBrowser, startServer, until } from './rig.mjs'

const MINE = {
  name: 'mine', display_name: 'Mine', command: ['/bin/sh', '-c', 'echo "token $API_TOKEN, mode $MODE, key $DB_KEY"\nexec sleep 100000'],
  env: { API_TOKEN: 'hush-hush', MODE: 'old' }, tags: ['own'], limits: { nofile: 512 }, restart: { policy: 'always', max: '9s' },
}
let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
  assert.equal((await server.api('/api/services', 'POST', MINE)).status, 201)
  assert.equal((await server.api('/api/services/mine/start', 'POST')).status, 200)
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

const open = (path, options) => openPage(browser.context, server.url + path, options)
const field = (page, name) => page.getByRole('dialog').getByRole('textbox', { name, exact: true })
const definition = async (name) => (await server.api(`/api/services/${name}`)).body.definition

test('an edit changes what was changed and nothing else; a masked value survives; a restart is offered', async () => {
  const { page, faults } = await open('/services')
  const before = await definition('mine')
  assert.equal(before.env.API_TOKEN, '********')
  await page.getByRole('button', { name: 'More for Mine', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Edit', exact: true }).click()
  assert.match(page.url(), /edit=mine/)
  // What the API says stands in the form.
  await until('the form', async () => (await field(page, 'Shown as').inputValue()) === 'Mine')
  assert.equal(await field(page, 'Tags').inputValue(), 'own')
  assert.deepEqual((await field(page, 'Environment').inputValue()).split('\n'), ['API_TOKEN=********', 'MODE=old'])
  assert.ok(await page.getByRole('button', { name: 'Save', exact: true }).isDisabled()) // nothing to save yet
  await field(page, 'Description').fill('edited in the page')
  await field(page, 'Environment').fill('API_TOKEN=********\nMODE=new')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByRole('dialog').getByText('Restart needed').waitFor()
  assert.deepEqual(await definition('mine'), { ...before, description: 'edited in the page', env: { API_TOKEN: '********', MODE: 'new' } })
  assert.equal((await server.api('/api/services/mine')).body.restart_needed, true)
  await page.getByRole('button', { name: 'Restart now', exact: true }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  assert.equal((await server.api('/api/services/mine')).body.restart_needed, false)
  // The real value reached the process, not the mask.
  await until('the new environment', async () => (await server.api('/api/services/mine/logs')).body.logs.some((l) => l.includes('token hush-hush, mode new')))
  assert.deepEqual(faults, [])
  await page.close()
})

test('what the server refuses stands at its field, and nothing is changed', async () => {
  const { page } = await open('/services/mine')
  const before = await definition('mine')
  await page.getByRole('button', { name: 'Edit', exact: true }).click()
  const refused = async (name, text, at = name) => {
    const old = await field(page, name).inputValue()
    await field(page, name).fill(text)
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await until(`an error at ${at}`, () => field(page, at).evaluate((e) => e.getAttribute('aria-invalid') === 'true' && e === document.activeElement))
    const said = await field(page, at).evaluate((e) => (e.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' '))
    await field(page, name).fill(old)
    return said
  }
  const { body } = await server.api('/api/services/mine', 'PATCH', { tags: ['!!'] })
  assert.ok((await refused('Tags', '!!')).includes(body.errors[0].msg))
  await refused('Ports', 'http')
  assert.match(await refused('Ports', '8080, 8080'), /must be 1 to 65535 and stand once/)
  assert.match(await refused('Needs', 'nobody'), /there is no service "nobody"/)
  assert.match(await refused('Environment', 'OTHER_TOKEN=********\nMODE=new'), /OTHER_TOKEN is the mask/)
  await page.getByText('All other settings').click()
  assert.match(await refused('Other settings', '{"limits": {"nofile": -1}}'), /limits.nofile must not be negative/)
  await field(page, 'Other settings').fill('{')
  await page.getByText(/This is no JSON/).waitFor()
  assert.deepEqual(await definition('mine'), before)
  await page.close()
})

test('a service of the configuration file says where it is changed, and the file is read again', async () => {
  const { page } = await open('/services/demo-lines?edit=1')
  const { status, body } = await server.api('/api/services/demo-lines', 'PATCH', { description: 'x' })
  assert.equal(status, 409)
  await until('the words of the server', async () => (await page.getByRole('dialog').innerText()).includes(body.error))
  assert.equal(await page.getByRole('dialog').getByRole('textbox').count(), 0)
  const file = join(server.dir, 'controlcenter.yaml')
  const good = readFileSync(file, 'utf8')
  writeFileSync(file, good.replace('a numbered line every 100 ms', 'changed in the file').replace('display_name: Worker', 'display_nome: Worker'))
  await page.getByRole('button', { name: 'Read the file again' }).click()
  await page.getByRole('dialog').getByText(/display_nome/).waitFor()
  assert.equal((await definition('demo-lines')).description, 'a numbered line every 100 ms')
  writeFileSync(file, good.replace('a numbered line every 100 ms', 'changed in the file'))
  await page.getByRole('button', { name: 'Read the file again' }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.getByText('changed in the file').first().waitFor()
  writeFileSync(file, good)
  await page.close()
})

test('a service is added, refused first, and is then there', async () => {
  const { page } = await open('/services')
  await page.getByRole('button', { name: 'Add service' }).click()
  await field(page, 'Name').fill('mine')
  await field(page, 'Command').fill('/bin/sleep\n100000')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('alert').getByText(/there is a service "mine" already/).waitFor()
  await field(page, 'Name').fill('not a name')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await until('an error at the name', () => field(page, 'Name').evaluate((e) => e.getAttribute('aria-invalid') === 'true'))
  await field(page, 'Name').fill('added')
  await field(page, 'Shown as').fill('Added in the page')
  await field(page, 'Needs').fill('demo-steady:healthy, mine')
  await page.getByRole('checkbox', { name: 'Start it with the server' }).check()
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('heading', { name: 'Added in the page', level: 1 }).waitFor()
  assert.match(page.url(), /\/services\/added$/)
  assert.deepEqual(await definition('added'), { name: 'added', display_name: 'Added in the page', command: ['/bin/sleep', '100000'], autostart: true, depends_on: { 'demo-steady': { condition: 'healthy' }, mine: {} } })
  await until('it to run', async () => (await server.api('/api/services/added')).body.state === 'running')
  await page.close()
})

test('a template fills the form, a job has a schedule', async () => {
  const { page } = await open('/services?add=1')
  const [template] = (await server.api('/api/services/templates')).body.templates
  await page.getByLabel('Template').selectOption(template.name)
  await until('the template', async () => (await field(page, 'Command').inputValue()).startsWith(template.spec.command?.[0] ?? ''))
  assert.equal(await field(page, 'Name').inputValue(), template.name)
  await page.getByLabel('Template').selectOption('')
  await field(page, 'Name').fill('nightly')
  await page.getByLabel('Kind').selectOption('job')
  await field(page, 'Command').fill('/bin/true')
  await field(page, 'Schedule').fill('foo')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await until('an error at the schedule', () => field(page, 'Schedule').evaluate((e) => e.getAttribute('aria-invalid') === 'true'))
  await field(page, 'Schedule').fill('0 3 * * *')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('button', { name: 'Run now' }).waitFor()
  assert.deepEqual((await definition('nightly')).schedule, { cron: '0 3 * * *' })
  await page.close()
})

test('a job is run from its page as a run of the job, and removed after a question', async () => {
  const { page } = await open('/services/nightly?tab=runs')
  const asked = []
  page.on('request', (r) => { if (r.method() === 'POST') asked.push(new URL(r.url()).pathname) })
  await page.getByRole('button', { name: 'Run now' }).click()
  await page.getByRole('list', { name: 'Runs of nightly' }).getByText('success', { exact: true }).waitFor()
  assert.deepEqual(asked, ['/api/jobs/nightly/run'])
  assert.equal((await server.api('/api/jobs/nightly/runs')).body.runs.length, 1)
  assert.equal(await page.getByRole('button', { name: 'Restart', exact: true }).count(), 0)
  await page.getByRole('button', { name: 'More for nightly' }).click()
  await page.getByRole('menuitem', { name: 'Remove' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor()
  assert.equal((await server.api('/api/services/nightly')).status, 404)
  await page.close()
})

test('a secret is given its value and is not shown again', async () => {
  assert.equal((await server.api('/api/services/mine', 'PATCH', { secrets: ['DB_KEY'] })).status, 200)
  const { page } = await open('/services/mine?edit=1')
  const secrets = page.getByRole('region', { name: 'Secrets' })
  await secrets.getByText('not set', { exact: true }).waitFor()
  await secrets.getByLabel('DB_KEY', { exact: true }).fill('opensesame')
  await secrets.getByRole('button', { name: 'Set DB_KEY' }).click()
  await secrets.getByText('set', { exact: true }).waitFor()
  assert.deepEqual((await server.api('/api/services/mine/secrets')).body.secrets, { DB_KEY: true })
  assert.ok(!(await page.content()).includes('opensesame'))
  await server.api('/api/services/mine/restart', 'POST')
  await until('the secret in its environment', async () => (await server.api('/api/services/mine/logs')).body.logs.some((l) => l.includes('key opensesame')))
  await page.close()
})

test('who may only look sees no buttons to edit', async () => {
  assert.equal((await server.api('/api/auth/register', 'POST', { username: 'grace', password: 'a long password', role: 'viewer' })).status, 200)
  const other = await startBrowser()
  try {
    await other.context.setExtraHTTPHeaders({ 'X-Forwarded-For': '192.0.2.7' }) // as from behind a proxy: not the owner
    const { page } = await openPage(other.context, `${server.url}/services/mine?edit=1`)
    await page.getByLabel('Name').fill('grace')
    await page.getByLabel('Password').fill('a long password')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('heading', { name: 'Mine', level: 1 }).waitFor()
    await page.getByRole('button', { name: 'Account' }).waitFor() // who it is, is known
    assert.equal(await page.getByRole('button', { name: 'Edit', exact: true }).count(), 0)
    assert.equal(await page.getByRole('dialog').count(), 0)
    await page.goto(`${server.url}/services?add=1`)
    await page.getByText('Steady demo').first().waitFor()
    assert.equal(await page.getByRole('button', { name: 'Add service' }).count(), 0)
  } finally {
    await other.stop()
  }
})

for (const theme of ['light', 'dark']) {
  for (const width of [1440, 390]) {
    test(`the forms are clean, ${theme}, ${width} wide`, async () => {
      assert.equal((await server.api('/api/services/mine', 'PATCH', { secrets: ['DB_KEY'] })).status, 200)
      for (const [path, ready] of [
        ['/services/mine?edit=1', (page) => page.getByRole('region', { name: 'Secrets' }).waitFor()],
        ['/services?edit=demo-lines', (page) => page.getByText('change it there').waitFor()],
        ['/services?add=1', (page) => page.getByRole('button', { name: 'Add', exact: true }).waitFor()],
      ]) {
        const { page, faults } = await open(path, { theme, width })
        await ready(page)
        assert.deepEqual(await accessibility(page), [], path)
        assert.ok((await overflow(page)) <= 0, path)
        assert.deepEqual(faults, [], path)
        await page.close()
      }
    })
  }
}
