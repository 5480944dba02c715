import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
  await until('the examples to be indexed', async () => (await server.api('/api/knowledge/stats')).body.index?.documents > 20)
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

test('search as one types agrees with the API, marks what matched and has an address', async () => {
  const { page, faults } = await openPage(browser.context, server.url + '/knowledge')
  await page.getByText(/The newest of \d+ files/).waitFor()
  await page.getByRole('textbox', { name: 'Search the knowledge base' }).fill('ip-adapter')
  const { body } = await server.api('/api/knowledge/search?query=ip-adapter')
  assert.ok(body.total > 0)
  await page.getByText(new RegExp(`^${body.total} files? in`)).waitFor()
  const hits = page.getByTestId('hits').getByRole('listitem')
  assert.equal(await hits.count(), body.results.length)
  await hits.locator('mark').first().waitFor()
  assert.match(page.url(), /q=ip-adapter/)
  const facet = page.getByRole('group', { name: 'Agent' }).getByRole('button').first()
  const [name, count] = (await facet.innerText()).split('\n')
  await facet.click()
  await page.getByText(new RegExp(`^${count} files? in`)).waitFor()
  assert.equal(new URL(page.url()).searchParams.get('agent'), name)
  await page.reload()
  await page.getByText(new RegExp(`^${count} files? in`)).waitFor()
  assert.deepEqual(faults, [])
  await page.close()
})

test('a query that is broken is refused in the words of the server', async () => {
  const answer = await server.api('/api/knowledge/search?query=' + encodeURIComponent('confidence>=x'))
  assert.equal(answer.status, 422)
  const { page } = await openPage(browser.context, server.url + '/knowledge?q=' + encodeURIComponent('confidence>=x'))
  await page.getByRole('alert').getByText(answer.body.error).waitFor()
  await page.close()
})

test('a file shows its insights, with the video at their time, and takes a decision', async () => {
  const hit = (await server.api('/api/knowledge/search?query=' + encodeURIComponent('ip-adapter has:insight'))).body.results[0]
  const file = (await server.api(`/api/knowledge/files/${hit.id}`)).body
  const { page, faults } = await openPage(browser.context, `${server.url}/knowledge?file=${hit.id}`)
  await page.getByRole('heading', { name: file.title }).waitFor()
  for (const i of file.insights.items) {
    const row = page.getByRole('listitem').filter({ hasText: i.text })
    await row.waitFor()
    if (i.t !== null) assert.equal(await row.getByRole('link').first().getAttribute('href'), i.url)
  }
  await page.getByRole('button', { name: 'Approve', exact: true }).click()
  await until('the decision to be kept', async () => (await server.api(`/api/knowledge/files/${hit.id}`)).body.status === 'approved')
  await page.getByRole('region', { name: 'Decisions' }).getByText('approved').waitFor()
  assert.deepEqual(faults, [])
  await page.close()
})

test('creators stand by tier', async () => {
  const { body } = await server.api('/api/knowledge/creators')
  const { page } = await openPage(browser.context, server.url + '/knowledge?tab=creators')
  for (const c of body.creators) await page.getByRole('region', { name: new RegExp(c.priority, 'i') }).getByText(c.name, { exact: true }).waitFor()
  await page.close()
})

test('a scan is started, told of and kept', async () => {
  const { page, faults } = await openPage(browser.context, server.url + '/knowledge?tab=scans')
  const before = (await server.api('/api/knowledge/jobs')).body.total
  await page.getByRole('button', { name: 'Scan now' }).click()
  await until('the scan to be over', async () => {
    const { body } = await server.api('/api/knowledge/jobs')
    return body.total > before && body.jobs[0].status === 'completed'
  })
  await page.getByRole('row').nth(1).getByText('completed').waitFor()
  await page.getByRole('row').nth(1).getByRole('button', { name: 'Details' }).click()
  await page.getByText(/No file was at fault|What was wrong/).first().waitFor()
  assert.deepEqual(faults, [])
  await page.close()
})
