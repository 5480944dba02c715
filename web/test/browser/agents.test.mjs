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

test('a budget is set in the dialog, changed and removed; what is refused stands at its field', async () => {
  const { page, faults } = await openPage(browser.context, server.url + '/agents?tab=usage')
  const dialog = page.getByRole('dialog')
  const field = (name) => dialog.getByRole('textbox', { name, exact: true })
  const name = dialog.getByRole('combobox', { name: 'API', exact: true })
  const save = dialog.getByRole('button', { name: 'Save', exact: true })
  const shown = page.getByRole('group', { name: 'Budget of youtube', exact: true })
  const budget = async () => (await server.api('/api/usage/budgets/youtube')).body.budget
  const listed = async () => (await server.api('/api/usage/budgets')).body.budgets.some((b) => b.api === 'youtube')
  const saysWrong = async (box, reason) => {
    const said = () => box.evaluate((e) => (e.getAttribute('aria-invalid') !== 'true' ? '' : (e.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ')))
    await until(`"${reason}" at its field`, async () => (await said()).includes(reason))
    await dialog.getByText(reason, { exact: true }).waitFor()
  }
  const focused = (what, box) => until(`the focus on ${what}`, () => box.evaluate((e) => e === document.activeElement))

  await page.getByRole('button', { name: 'Set a budget', exact: true }).click()
  await name.fill('')
  await until('nothing to be saved without a name', () => save.isDisabled())
  await name.fill('youtube')

  // What the server says of it, at the field it says it of, with the focus on the first.
  const wrong = { daily_usd: -1, monthly_usd: 'ten' }
  const refused = await server.api('/api/usage/budgets/youtube', 'PUT', wrong)
  assert.equal(refused.status, 422)
  const reason = Object.fromEntries(refused.body.errors.map((e) => [e.loc[1], e.msg]))
  await field('US dollars a day').fill(String(wrong.daily_usd))
  await field('US dollars a month').fill(wrong.monthly_usd)
  await save.click()
  await saysWrong(field('US dollars a day'), reason.daily_usd)
  await saysWrong(field('US dollars a month'), reason.monthly_usd)
  await focused('the first refused field', field('US dollars a day'))
  assert.match(reason.daily_usd, />= 0/)
  assert.match(reason.monthly_usd, /number/)
  await field('US dollars a day').fill('')
  await field('US dollars a month').fill('')
  await save.click()
  await saysWrong(field('US dollars a day'), 'a budget needs a limit above 0 per day or per month')
  await field('US dollars a day').fill('3')
  await name.fill('you tube')
  await save.click()
  await until('the name to be refused, with the focus on it', () => name.evaluate((e) => e.getAttribute('aria-invalid') === 'true' && e === document.activeElement))
  assert.equal(await listed(), false)

  await name.fill('youtube')
  await field('US dollars a day').fill('')
  await field('US dollars a month').fill('12.5')
  await save.click()
  await dialog.waitFor({ state: 'detached' })
  await shown.getByText('monthly: $0 of $12.50 · 0 %', { exact: true }).waitFor()
  await shown.getByRole('meter', { name: 'Budget of youtube, monthly' }).waitFor()
  let b = await budget()
  assert.deepEqual([b.daily_usd, b.monthly_usd, b.source], [null, 12.5, 'api'])

  const change = page.getByRole('button', { name: 'Change the budget of youtube', exact: true })
  await change.click()
  await until('what is set to stand in the form', async () => (await field('US dollars a month').inputValue()) === '12.5')
  await field('US dollars a day').fill('0.75')
  await save.click()
  await dialog.waitFor({ state: 'detached' })
  await shown.getByText('daily: $0 of $0.75 · 0 %', { exact: true }).waitFor()
  b = await budget()
  assert.deepEqual([b.daily_usd, b.monthly_usd], [0.75, 12.5])

  await change.click()
  await dialog.getByRole('button', { name: 'Remove', exact: true }).click()
  await dialog.waitFor({ state: 'detached' })
  await shown.waitFor({ state: 'detached' })
  assert.equal(await listed(), false)
  // Chromium itself notes each answer that refuses.
  assert.deepEqual(faults.filter((f) => !/the server responded with a status of 422/.test(f)), [])
  await page.close()
})
