import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

let server, browser
before(async () => {
  server = await startServer()
  browser = await startBrowser()
  await until('the agents to be known', async () => (await server.api('/api/agents')).body.total > 0)
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

test('agents agree with the API and are chosen by level', async () => {
  const { agents } = (await server.api('/api/agents?limit=100')).body
  const { page, faults } = await openPage(browser.context, server.url + '/agents')
  for (const a of agents) await page.getByRole('row').filter({ hasText: a.folder }).first().waitFor()
  await page.goto(server.url + '/agents?level=L2')
  await page.getByRole('row').nth(1).waitFor()
  assert.equal(await page.getByRole('row').count() - 1, agents.filter((a) => a.level === 'L2').length)
  assert.deepEqual(faults, [])
  await page.close()
})

test('usage shows what was counted, and budgets', async () => {
  await server.api('/api/usage/track', 'POST', { api: 'anthropic', model: 'claude-3-5-haiku', input_tokens: 1_000_000, output_tokens: 100_000 })
  await server.api('/api/usage/budgets/total', 'PUT', { daily_usd: 2 })
  const { today } = (await server.api('/api/usage/summary')).body
  const { page, faults } = await openPage(browser.context, server.url + '/agents?tab=usage')
  await page.getByTestId('usage').getByText(`$${today.cost_usd.toFixed(2)}`, { exact: true }).first().waitFor()
  await page.getByRole('row').filter({ hasText: 'claude-3-5-haiku' }).getByText('1,000,000').waitFor()
  await page.getByRole('meter', { name: 'Budget of total, daily' }).waitFor()
  assert.deepEqual(faults, [])
  await page.close()
})
