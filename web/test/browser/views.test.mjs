// The views behind the pages: tabs, files, trees, dialogs. The same holds for each as for the pages (all.test.mjs): no complaint
// in the console, no violation of accessibility in either theme or on a phone, no sideways scrolling there.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { accessibility, freePort, openPage, overflow, startBrowser, startServer, until } from './rig.mjs'

const SERVICES = `
  demo-colours:
    display_name: Colours
    description: lines of every kind, an environment, a secret, limits and all probes
    command: ["/bin/sh", "-c", "printf '\\\\033[32mgreen line\\\\033[0m \\\\033[1;31mred\\\\033[0m \\\\033[2mfaint\\\\033[0m \\\\033[44mon blue\\\\033[0m\\\\n'; echo 'WARN slow answer' >&2; echo 'ERROR no such thing' >&2; echo plain; exec sleep 100000"]
    env: {API_TOKEN: "hunter2-hunter2", MODE: demo}
    secrets: [DEPLOY_KEY]
    limits: {memory: 1GiB}
    autostart: true
    probes: {readiness: {exec: ["/bin/false"], interval: 1s}}
`
let server, browser
const known = {} // what addresses need that the server makes up: the id of a file, of a run

before(async () => {
  server = await startServer({ services: SERVICES, config: `notify: {channels: {nobody: {url: "http://127.0.0.1:${await freePort()}/", min_severity: info}}}` })
  browser = await startBrowser()
  const done = async (path, method, body) => {
    const r = await server.api(path, method, body)
    assert.ok(r.status < 300, `${method} ${path}: ${r.status} ${r.body.error}`)
    return r.body
  }
  await done('/api/keys', 'POST', { name: 'prometheus', role: 'viewer' })
  await done('/api/auth/register', 'POST', { username: 'grace', password: 'a long password', role: 'viewer' })
  await done('/api/usage/track', 'POST', { api: 'anthropic', model: 'claude-3-5-haiku', input_tokens: 1_000_000, output_tokens: 100_000 })
  await done('/api/usage/budgets/total', 'PUT', { daily_usd: 2, monthly_usd: 20 })
  await done('/api/notify/mutes', 'POST', { service: 'demo-steady', for: '1h', reason: 'being moved' })
  await done('/api/services/demo-colours/secrets/DEPLOY_KEY', 'PUT', { value: 'opensesame-opensesame' })
  await done('/api/services/demo-colours/start?wait=none', 'POST')
  await done('/api/jobs/demo-job/run', 'POST')
  await done('/api/services/demo-crash/start?wait=none', 'POST')
  await until('the run of the job to end', async () => {
    known.run = (await server.api('/api/jobs/demo-job/runs')).body.runs[0]
    return known.run?.finished_at
  })
  await until('an alert to fire', async () => (await server.api('/api/alerts')).body.firing > 0)
  await until('the examples to be indexed', async () => (await server.api('/api/knowledge/jobs')).body.jobs.some((j) => j.status === 'completed'))
  const found = await until('a file with insights', async () => (await server.api('/api/knowledge/search?query=' + encodeURIComponent('ip-adapter has:insight'))).body.results[0])
  known.file = found.id
  await done('/api/knowledge/review', 'POST', { document_id: found.id, action: 'approve' })
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

const text = (t) => (page) => page.locator('main').getByText(t).first().waitFor()
const dialog = (t) => (page) => page.getByRole('dialog').getByText(t).first().waitFor()

// Name, address, what must be in sight before one looks, what is done first.
const VIEWS = [
  ['knowledge: results', '/knowledge?q=light', (page) => page.getByTestId('hits').locator('mark').first().waitFor()],
  ['knowledge: nothing found', '/knowledge?q=nowhereatallx', text('No file matches')],
  ['knowledge: a file', () => `/knowledge?file=${known.file}`, text('the whole file')],
  ['knowledge: to review', '/knowledge?tab=review', text(/Nothing waits|pending|superseded|contradiction|conflicting|out of date/)],
  ['knowledge: creators', '/knowledge?tab=creators', text(/priority/)],
  ['knowledge: scans', '/knowledge?tab=scans', text('completed')],
  ['knowledge: a scan', '/knowledge?tab=scans', text(/No file was at fault|What was wrong/), (page) => page.getByRole('button', { name: 'Details' }).first().click()],
  ['alerts: firing', '/alerts', text('Firing')],
  ['alerts: deliveries', '/alerts?tab=deliveries', text('to nobody')],
  ['alerts: channels', '/alerts?tab=channels', text('nobody')],
  ['alerts: mutes', '/alerts?tab=mutes', text('being moved')],
  ['alerts: rules', '/alerts?tab=rules', text('service_failed')],
  ['settings: configuration, searched', '/settings?q=services', text('services.demo-colours')],
  ['settings: keys', '/settings?tab=keys', text('prometheus')],
  ['settings: users', '/settings?tab=users', text('grace')],
  ['settings: audit', '/settings?tab=audit', text('register')],
  ['settings: backup and about', '/settings?tab=about', text('Download a backup')],
  ['agents, one level', '/agents?level=L2', text(/L2/)],
  ['usage', '/agents?tab=usage', text('claude-3-5-haiku')],
  ['usage: a budget', '/agents?tab=usage', dialog('US dollars a month'), (page) => page.getByRole('button', { name: /^Change the budget/ }).click()],
  ['service: log', '/services/demo-colours', text('green line')],
  ['service: log, searched', '/services/demo-colours?q=no+such', text('ERROR no such thing')],
  ['service: runs', '/services/demo-crash?tab=runs', text('code 3')],
  ['service: events', '/services/demo-crash?tab=events', text('crash')],
  ['service: probes, environment, definition', '/services/demo-colours?tab=about', text('DEPLOY_KEY')],
  ['service that is no more', '/services/none-such', text('There is no service of this name')],
  ['service: editor', '/services/demo-colours?edit=1', (page) => page.getByRole('dialog').waitFor()],
  ['services: add', '/services?add=1', dialog(/All other settings/)],
  ['services: problems', '/services?show=problems', text(/Colours|No service matches/)],
  ['services: of a tag', '/services?tag=demo', text('all with')],
  ['services: a question', '/services', dialog('will be stopped first'), (page) => page.getByRole('button', { name: 'Stop Steady demo' }).click()],
  ['services: dependencies', '/services?tab=graph', (page) => page.getByTestId('graph-words').waitFor()],
  ['processes: tree', '/processes?view=tree', text('controlcenter')],
  ['ports: range', '/ports?range=low', text(/in 1 to 1023/)],
  ['ports: all sockets', '/ports?range=all&state=all', text(/in 1 to 65535/)],
  ['jobs: log of a run', () => `/jobs?job=demo-job&run=${known.run.id}`, (page) => page.getByRole('dialog').getByRole('log').waitFor()],
  ['keys', '/', dialog('search on this page'), async (page) => {
    await page.getByTestId('numbers').waitFor()
    await page.keyboard.press('?')
  }],
]

for (const [name, path, ready, open] of VIEWS) {
  test(`${name} is clean, light and wide, dark and on a phone`, async () => {
    const { page, faults } = await openPage(browser.context, server.url + (typeof path === 'string' ? path : path()))
    try {
      await open?.(page)
      await ready(page)
      const light = await accessibility(page)
      await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
      await page.locator('html[data-mantine-color-scheme="dark"]').waitFor()
      await page.setViewportSize({ width: 390, height: 844 })
      await ready(page)
      const darkPhone = await accessibility(page)
      const wider = await overflow(page)
      assert.deepEqual({ light, darkPhone, wider: Math.max(0, wider) }, { light: [], darkPhone: [], wider: 0 })
      assert.deepEqual(faults.filter((f) => !/status of 404/.test(f)), [])
    } finally {
      await page.close()
    }
  })
}

test('the form to log in is clean, in both themes and on a phone', async () => {
  await browser.context.setExtraHTTPHeaders({ 'X-Forwarded-For': '192.0.2.7' }) // as from behind a proxy: not the owner
  try {
    for (const theme of ['light', 'dark']) {
      for (const width of [1440, 390]) {
        const { page, faults } = await openPage(browser.context, server.url + '/login', { theme, width })
        await page.getByRole('button', { name: 'Log in' }).waitFor()
        assert.equal(await page.locator('html').getAttribute('data-mantine-color-scheme'), theme)
        assert.deepEqual(await accessibility(page), [])
        assert.ok((await overflow(page)) <= 0)
        assert.deepEqual(faults.filter((f) => !/status of 401|HTTP Authentication failed/.test(f)), []) // Chromium itself notes each answer that refuses
        await page.close()
      }
    }
  } finally {
    await browser.context.setExtraHTTPHeaders({})
  }
})
