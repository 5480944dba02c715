import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openPage, startBrowser, startServer, until } from './rig.mjs'

let server, browser
before(async () => {
  server = await startServer({ services: `
  demo-long:
    type: job
    display_name: Long job
    command: ["/bin/sh", "-c", "echo begun; exec sleep 100000"]
` })
  browser = await startBrowser()
})
after(async () => {
  await browser?.stop()
  await server?.stop()
})

test('a job is run, its run is in the history, and its log can be read', async () => {
  const { page } = await openPage(browser.context, server.url + '/jobs?job=demo-job')
  await page.getByText('every day at 03:00').waitFor()
  await page.getByText('No runs yet').waitFor()
  await page.getByRole('button', { name: 'Run now: Demo job' }).click()
  const list = page.getByRole('list', { name: 'Runs of demo-job' })
  await list.getByText('success', { exact: true }).waitFor()
  const { body } = await server.api('/api/jobs/demo-job/runs')
  const { body: log } = await server.api(`/api/jobs/demo-job/runs/${body.runs[0].id}/logs`)
  await list.getByRole('button', { name: /^Log of the run/ }).click()
  await page.getByRole('dialog').getByRole('log').getByText(log.logs[0], { exact: true }).waitFor()
  await page.close()
})

test('a run is cancelled after a question', async () => {
  const { page } = await openPage(browser.context, server.url + '/jobs?job=demo-long')
  await page.getByRole('button', { name: 'Run now: Long job' }).click()
  await page.getByRole('button', { name: 'Cancel Long job' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the run' }).click()
  await page.getByRole('button', { name: 'Run now: Long job' }).waitFor()
  await until('the run to end', async () => (await server.api('/api/jobs/demo-long/runs')).body.runs[0].finished_at)
  assert.equal((await server.api('/api/jobs')).body.jobs.find((j) => j.name === 'demo-long').status === 'running', false)
  await page.close()
})
