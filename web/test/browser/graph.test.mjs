import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { accessibility, openPage, overflow, startBrowser, startServer, until } from './rig.mjs'

const MORE = `
  api:
    display_name: Public API
    command: ["\${self}", demo, tree]
    depends_on: {demo-steady: {condition: healthy}, demo-lines: {}, demo-job: {condition: completed}}
  web:
    command: ["\${self}", demo, tree]
    depends_on: {api: {condition: started}, demo-steady: {condition: healthy}}
`
let server, browser
before(async () => {
  server = await startServer({ services: MORE })
  browser = await startBrowser()
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

const open = (path, options) => openPage(browser.context, server.url + path, options)
const node = (page, id) => page.getByTestId('graph').locator(`[data-service="${id}"]`)

test('the drawing has the services and dependencies of the API, each right of what it needs', async () => {
  const { page, faults } = await open('/services')
  await page.getByRole('link', { name: 'Dependencies', exact: true }).click()
  assert.match(page.url(), /\/services\?tab=graph$/)
  const graph = page.getByTestId('graph')
  await graph.waitFor()
  const { nodes, edges } = (await server.api('/api/services/graph')).body
  const linked = nodes.filter((n) => edges.some((e) => e.from === n.id || e.to === n.id))
  assert.equal(edges.length, 6)
  assert.equal(await graph.locator('[data-service]').count(), linked.length)
  const left = async (id) => (await node(page, id).boundingBox()).x
  for (const e of edges) assert.ok((await left(e.from)) > (await left(e.to)), `${e.from} is right of ${e.to}`)
  const words = page.getByTestId('graph-words')
  const name = async (id) => (await server.api(`/api/services/${id}`)).body.display_name
  for (const e of edges) await words.getByRole('listitem').filter({ has: page.getByRole('link', { name: await name(e.from), exact: true }) }).getByText(`${await name(e.to)} (${e.condition}`).waitFor()
  for (const condition of ['started', 'healthy', 'completed']) await graph.locator('svg text', { hasText: condition }).first().waitFor()
  await words.getByText('Without dependencies').getByText('Missing program').waitFor()
  assert.deepEqual(faults, [])
  await page.close()
})

test('states are live, in words and colours', async () => {
  const { page } = await open('/services?tab=graph')
  await node(page, 'demo-worker').getByText('running', { exact: true }).waitFor()
  assert.equal(await node(page, 'demo-worker').getAttribute('data-tone'), 'ok')
  await server.api('/api/services/demo-worker/stop', 'POST')
  await node(page, 'demo-worker').getByText('stopped', { exact: true }).waitFor()
  assert.equal(await node(page, 'demo-worker').getAttribute('data-tone'), 'idle')
  const unmet = () => page.getByTestId('graph').locator('g:not([data-met]) > text', { hasText: 'completed' }).count()
  assert.equal(await unmet(), 1)
  await server.api('/api/jobs/demo-job/run', 'POST')
  await until('the condition to be met', async () => (await unmet()) === 0)
  await page.close()
})

test('the keyboard reaches each service and opens it', async () => {
  const { page } = await open('/services?tab=graph')
  await node(page, 'demo-steady').waitFor()
  await page.getByRole('region', { name: 'Drawing of the dependencies' }).focus()
  const seen = new Set()
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press('Tab')
    seen.add(await page.evaluate(() => document.activeElement.getAttribute('data-service')))
  }
  for (const id of ['demo-steady', 'demo-lines', 'demo-job', 'demo-worker', 'api', 'web']) assert.ok(seen.has(id), `${id} is reached: ${[...seen]}`)
  await page.getByRole('link', { name: /^Public API: stopped, needs / }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Public API', level: 1 }).waitFor()
  await page.close()
})

for (const theme of ['light', 'dark']) {
  for (const width of [1440, 390]) {
    test(`the drawing is clean, ${theme}, ${width} wide`, async () => {
      const { page, faults } = await open('/services?tab=graph', { theme, width })
      await node(page, 'web').waitFor()
      assert.deepEqual(await accessibility(page), [])
      assert.ok((await overflow(page)) <= 0)
      if (width === 390) assert.ok(await page.getByTestId('graph').evaluate((e) => e.scrollWidth > e.clientWidth)) // it scrolls by itself
      assert.deepEqual(faults, [])
      await page.close()
    })
  }
}

test('without dependencies it says how they are declared', async () => {
  const bare = await startServer({ demo: false, services: '\n  alone: {command: [sleep, "1000"]}' })
  try {
    const { page } = await openPage(browser.context, bare.url + '/services?tab=graph')
    await page.getByText('No service needs another').waitFor()
    await page.getByText('depends_on').first().waitFor()
    assert.deepEqual(await accessibility(page), [])
    await page.close()
  } finally {
    await bare.stop()
  }
})
