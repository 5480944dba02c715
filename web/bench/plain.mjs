// Chromium as a user has it: nothing looks on. What drives tests has the browser report every request and message, in the same
// process that serves them; here it is asked for one page and, at its end, for one answer.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Starts it, with a window of 1440 x 900. `visit` opens a page in a profile, runs `before` in it first, and waits for the promise of `result`. */
export async function startPlainBrowser(executablePath, flags) {
  const home = mkdtempSync(join(tmpdir(), 'cc-plain-'))
  const child = spawn(executablePath, ['--headless', '--remote-debugging-pipe', '--window-size=1440,900', `--user-data-dir=${home}`, ...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
  const [, , , commands, answers] = child.stdio
  const waiting = new Map()
  const ended = new Promise((done) => child.on('close', done))
  void ended.then(() => { for (const { failed } of waiting.values()) failed(new Error('the browser has ended')) })
  commands.on('error', () => { /* it has ended, which is told above */ })
  let last = 0
  let rest = ''
  answers.setEncoding('utf8').on('data', (data) => {
    const whole = (rest + data).split('\0')
    rest = whole.pop()
    for (const { id, error, result } of whole.map((text) => JSON.parse(text))) {
      const asked = waiting.get(id)
      waiting.delete(id) // events have no number, and nobody waits for them
      if (error) asked?.failed(new Error(`${asked.method}: ${error.message}`))
      else asked?.done(result)
    }
  })
  const ask = (method, params = {}, sessionId) => new Promise((done, failed) => {
    if (child.exitCode !== null || child.signalCode !== null) return failed(new Error('the browser has ended'))
    waiting.set(++last, { done, failed, method })
    commands.write(JSON.stringify({ id: last, method, params, sessionId }) + '\0')
  })
  const evaluate = async (expression, session) => {
    const { result, exceptionDetails } = await ask('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, session)
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }
  return {
    /** Does something in a profile of its own. */
    async profile(act) {
      const { browserContextId } = await ask('Target.createBrowserContext')
      try {
        return await act((url, result, before = '') => visit(browserContextId, url, result, before))
      } finally {
        await ask('Target.disposeBrowserContext', { browserContextId })
      }
    },
    async stop() {
      await ask('Browser.close').catch(() => { /* ended by itself */ })
      await ended
      rmSync(home, { recursive: true, force: true })
    },
  }

  async function visit(browserContextId, url, result, before) {
    const { targetId } = await ask('Target.createTarget', { url: 'about:blank', browserContextId })
    try {
      const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true })
      await ask('Page.enable', {}, sessionId)
      if (before) await ask('Page.addScriptToEvaluateOnNewDocument', { source: before }, sessionId)
      const { errorText } = await ask('Page.navigate', { url }, sessionId)
      if (errorText) throw new Error(`${url}: ${errorText}`)
      return await evaluate(result, sessionId)
    } finally {
      await ask('Target.closeTarget', { targetId })
    }
  }
}
