// Each action can be copied as a command line, and that line, run by a shell, does what the button does.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

const run = promisify(execFile)
const knowledge = mkdtempSync(join(tmpdir(), 'controlcenter-knowledge-'))
let server, browser
before(async () => {
  const folder = join(knowledge, 'ai-agents/ui-ux/menus')
  mkdirSync(folder, { recursive: true })
  const write = (name, front) => writeFileSync(join(folder, `${name}.md`), `---\ntitle: ${name} way\n${front}---\n\n# ${name} way\n\n## Key Insights\n1. Menus of the ${name} kind\n`)
  write('old', 'id: old-way\n')
  write('new', 'supersedes: [old-way]\n')
  server = await startServer({ knowledge, services: `
  demo-secret:
    display_name: Secret keeper
    command: ["\${self}", demo, lines, --every, 1s]
    secrets: [DEPLOY_KEY]
  demo-first:
    command: ["\${self}", demo, lines, --every, 1s]
    tags: [pair]
  demo-second:
    command: ["\${self}", demo, lines, --every, 1s]
    tags: [pair]
` })
  browser = await startBrowser()
  await browser.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url })
})
after(async () => {
  await browser?.stop()
  await server?.stop()
  rmSync(knowledge, { recursive: true, force: true })
})

const open = async (path) => (await openPage(browser.context, server.url + path)).page

/** What a click puts on the clipboard. */
async function copied(page, click) {
  await page.evaluate(() => navigator.clipboard.writeText(''))
  await click()
  return until('a command on the clipboard', () => page.evaluate(() => navigator.clipboard.readText()))
}

/** Runs a command line as its user would, in the folder of the test. */
const shell = async (line) => {
  assert.match(line, /^curl /)
  return (await run('/bin/sh', ['-c', line.replace(/^curl /, 'curl -sS --fail-with-body ')], { cwd: server.dir })).stdout
}
const copy = (page, name) => copied(page, () => page.getByRole('button', { name, exact: true }).click())
const pick = (page, button, item) => copied(page, async () => {
  await page.getByRole('button', { name: button, exact: true }).click()
  await page.getByRole('menuitem', { name: item, exact: true }).click()
})
const service = async (name) => (await server.api(`/api/services/${name}`)).body

test('start, restart and stop of all of a tag', async () => {
  const page = await open('/services?tag=pair')
  const line = (verb) => pick(page, 'Copy an action for the chosen services as curl', `Copy ${verb} as curl`)
  const [start, restart, stop] = [await line('start'), await line('restart'), await line('stop')]
  assert.doesNotMatch(start, /demo-lines/) // not of the tag
  const pair = () => Promise.all(['demo-first', 'demo-second'].map(service))
  await shell(start)
  const begun = await until('both to run', async () => {
    const list = await pair()
    return list.every((x) => x.status === 'running') && list
  })
  await shell(restart)
  await until('both to run as another process', async () => (await pair()).every((x, i) => x.status === 'running' && x.pid !== begun[i].pid))
  await shell(stop)
  await until('both to be stopped', async () => (await pair()).every((x) => x.status === 'stopped'))
  await page.close()
})

test('a secret: the line has the value, the page does not show it', async () => {
  const page = await open('/services/demo-secret?edit=1')
  const value = "it's $HOME `x` \"hidden\""
  await page.getByRole('textbox', { name: 'DEPLOY_KEY' }).fill(value)
  const line = await pick(page, 'Copy an action for DEPLOY_KEY as curl', 'Copy setting as curl')
  await page.getByText('Command copied').waitFor()
  assert.ok(!(await page.locator('body').innerText()).includes('hidden'))
  await shell(line)
  await until('the secret to be set', async () => (await service('demo-secret')).secrets.DEPLOY_KEY === true)
  await page.reload()
  await shell(await pick(page, 'Copy an action for DEPLOY_KEY as curl', 'Copy forgetting as curl'))
  assert.equal((await service('demo-secret')).secrets.DEPLOY_KEY, false)
  await page.close()
})

test('users are made and switched off', async () => {
  const users = async () => (await server.api('/api/auth/users')).body.users
  const page = await open('/settings?tab=users')
  await page.getByLabel('Name').fill('ada')
  await page.getByLabel('Password').fill('long enough for all')
  const line = await copy(page, 'Copy as curl')
  await page.getByText('Command copied').waitFor()
  assert.ok(!(await page.locator('body').innerText()).includes('long enough for all'))
  await shell(line)
  assert.deepEqual((await users()).map((u) => u.username), ['ada'])
  await page.reload()
  await shell(await copy(page, 'Copy deactivation of ada as curl'))
  assert.equal((await users())[0].is_active, false)
  await page.getByRole('button', { name: 'Delete ada' }).click()
  await shell(await copied(page, () => page.getByRole('dialog').getByRole('button', { name: 'Copy as curl' }).click()))
  assert.deepEqual(await users(), [])
  await page.close()
})

test('keys are made and revoked', async () => {
  const keys = async () => (await server.api('/api/keys')).body.keys
  const page = await open('/settings?tab=keys')
  await page.getByLabel('Name').fill("prometheus' own")
  assert.match(JSON.parse(await shell(await copy(page, 'Copy as curl'))).key, /./)
  assert.deepEqual((await keys()).map((k) => k.name), ["prometheus' own"])
  await page.reload()
  await page.getByRole('button', { name: /^Revoke/ }).click()
  await shell(await copied(page, () => page.getByRole('dialog').getByRole('button', { name: 'Copy as curl' }).click()))
  assert.deepEqual(await keys(), [])
  await page.close()
})

test('a budget is removed', async () => {
  await server.api('/api/usage/budgets/youtube', 'PUT', { daily_usd: 2 })
  const page = await open('/agents?tab=usage')
  await page.getByRole('button', { name: 'Change the budget of youtube' }).click()
  await shell(await pick(page, 'Copy as curl', 'Copy removal as curl'))
  assert.ok(!(await server.api('/api/usage/budgets')).body.budgets.some((b) => b.api === 'youtube'))
  await page.close()
})

test('mutes: by the form, of an alert, and their end', async () => {
  const mutes = async () => (await server.api('/api/notify/mutes')).body.mutes
  await server.api('/api/services/demo-crash/start?wait=none', 'POST')
  const page = await open('/alerts')
  await shell(await pick(page, 'More for service_crashed of demo-crash', 'Copy mute for 8 hours as curl'))
  assert.deepEqual((await mutes()).map((m) => [m.rule, m.service]), [['service_crashed', 'demo-crash']])
  await page.goto(server.url + '/alerts?tab=mutes')
  await shell(await copy(page, 'Copy end of the mute as curl'))
  assert.deepEqual(await mutes(), [])
  await page.getByLabel('Service', { exact: true }).selectOption('demo-steady')
  await shell(await copy(page, 'Copy as curl'))
  assert.deepEqual((await mutes()).map((m) => m.service), ['demo-steady'])
  await page.close()
})

test('a scan that reads all again, and decisions on a file', async () => {
  await until('the examples to be indexed', async () => (await server.api('/api/knowledge/jobs')).body.jobs.some((j) => j.status === 'completed'))
  let page = await open('/knowledge?tab=scans')
  const { job_id: id } = JSON.parse(await shell(await pick(page, 'More about scans', 'Copy reading all again as curl')))
  const job = await until('the scan to end', async () => (await server.api('/api/knowledge/jobs')).body.jobs.find((j) => j.id === id && j.finished_at))
  assert.equal(job.files_unchanged, 0)
  assert.equal(job.files_parsed, 2)
  await page.close()
  const { items } = (await server.api('/api/knowledge/to-review')).body
  const { file, other } = items.find((x) => x.why === 'supersedes')
  const status = async (f) => (await server.api(`/api/knowledge/files/${f.id}`)).body.status
  page = await open('/knowledge?tab=review')
  const reject = await pick(page, `Decide on ${file.title}`, 'Copy rejection as curl')
  const approve = await pick(page, `Decide on ${file.title}`, 'Copy approval as curl')
  const supersede = await pick(page, `Decide on ${other.title}`, 'Copy supersession as curl')
  await shell(reject)
  assert.equal(await status(file), 'rejected')
  await shell(approve)
  assert.equal(await status(file), 'approved')
  await shell(supersede)
  assert.equal(await status(other), 'superseded')
  await page.reload() // what is decided needs no look any more
  await page.getByText('Nothing waits for a decision').waitFor()
  await page.close()
})

test('a backup is made, and restored', async () => {
  const page = await open('/settings?tab=about')
  await shell(await copy(page, 'Copy backup as curl'))
  const [name] = readdirSync(server.dir).filter((f) => f.endsWith('.backup'))
  assert.ok(name, 'the backup has the name that the server gave it')
  await server.api('/api/keys', 'POST', { name: 'made after it', role: 'viewer' })
  await page.getByLabel('Backup to restore').setInputFiles(`${server.dir}/${name}`)
  const line = await copied(page, () => page.getByRole('dialog').getByRole('button', { name: 'Copy as curl' }).click())
  await shell(line)
  await until('the key that was made after it to be gone', async () => (await server.api('/api/keys')).body.keys.length === 0)
  await page.close()
})
