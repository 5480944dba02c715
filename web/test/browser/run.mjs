// Runs the browser tests one file after another: each has a server and a browser of its own. Without Chromium it says so
// loudly; with CI=true that is an error.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'

const browser = process.env.CC_CHROMIUM ?? '/usr/bin/chromium'
if (!existsSync(browser)) {
  console.error(`NOT INSTALLED: ${browser} (Debian package: chromium). The browser tests are skipped.`)
  process.exit(process.env.CI === 'true' ? 1 : 0)
}
const dir = new URL('.', import.meta.url).pathname
const files = process.argv.slice(2).length ? process.argv.slice(2) : readdirSync(dir).filter((f) => f.endsWith('.test.mjs')).map((f) => dir + f)
// The limit holds for a file as a whole, too: the longest looks at some forty views.
// A group of its own, so that a signal reaches each test and it can clear away what it started; Ctrl-C comes by us too.
const tests = spawn(process.execPath, ['--test', '--test-concurrency=1', '--test-timeout=1800000', ...files], { stdio: 'inherit', detached: true })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    try {
      process.kill(-tests.pid, signal)
    } catch {
      // Ended meanwhile.
    }
  })
}
tests.once('exit', (status) => process.exit(status ?? 1))
