// The stage of the screenshots: a small machine with a life of its own. As root on Linux the server runs in namespaces, with a
// host name, a user, folders, processes and a network that say nothing about the machine the pictures are made on; a second
// network namespace sends it data. Elsewhere it runs as it is, and the pictures show what there is. Everything on it is real:
// processes that write, fail and are started again, jobs that run, Prometheus where it is installed.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, until } from './rig.mjs'

const binary = process.env.CC_TEST_BINARY ?? join(root, 'bin/controlcenter')
const BARE = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', TZ: process.env.TZ ?? 'UTC' }
const installed = (path) => existsSync(path)

// What the services run. Shell is enough: a line now and then, some work, an end that was not wanted.
const SCRIPTS = {
  'resize-photos': `i=4180
say() { printf '%b %s\\n' "$1" "$2"; }
while :; do
  i=$((i + 1)); n=0; while [ $n -lt 9000 ]; do n=$((n + 1)); done
  say '\\033[32mINFO\\033[0m ' "resized \\033[36mIMG_$i.jpg\\033[0m to 2048 px in $((40 + i * 7 % 90)) ms" | sed 's/\\\\033/\\x1b/g'
  [ $((i % 9)) = 0 ] && say '\\033[33mWARN\\033[0m ' "IMG_$i.jpg has no colour profile, sRGB is assumed" >&2
  [ $((i % 31)) = 0 ] && say '\\033[31mERROR\\033[0m' "IMG_$i.jpg ends in the middle of a scan, left out" >&2
  sleep 0.7
done`,
  'fetch-mail': 'echo "connecting to imap.example.com:993"; sleep 2; echo "ERROR: imap.example.com:993: connection refused" >&2; exit 75',
  'mirror-feed': 'while :; do curl -sS --max-time 3600 http://10.20.0.1:7000/feed -o /dev/null; echo "feed ended, again in 5 s"; sleep 5; done',
  'nightly-backup': 'for p in documents photos mail; do echo "archiving $p"; sleep 0.4; done; echo "3 archives, 4.1 GiB, verified"',
  'thumbnails': 'echo "looking for new photos"; sleep 1; n=0; while [ $n -lt 120000 ]; do n=$((n + 1)); done; echo "17 thumbnails made"',
  'check-links': 'echo "checking 214 links"; sleep 1; echo "2 links are broken: /guide/old, /faq#mail" >&2; exit 1',
}

const services = (home, self) => `
services:
${installed('/usr/bin/prometheus') ? `  prometheus:
    display_name: Prometheus
    description: keeps the series of this machine for 30 days
    command: [/usr/bin/prometheus, --config.file=${home}/prometheus.yml, --storage.tsdb.path=${home}/metrics, "--web.listen-address=127.0.0.1:9090", --log.level=info]
    ports: [9090]
    autostart: true
    tags: [monitoring]
    probes: {readiness: {http: "http://127.0.0.1:9090/-/ready", interval: 5s}}
` : ''}${installed('/usr/bin/prometheus-alertmanager') ? `  alertmanager:
    display_name: Alertmanager
    description: groups alerts and sends them
    command: [/usr/bin/prometheus-alertmanager, --config.file=${home}/alertmanager.yml, --storage.path=${home}/alertmanager, "--web.listen-address=127.0.0.1:9093", --cluster.listen-address=]
    ports: [9093]
    autostart: true
    tags: [monitoring]
    depends_on: {prometheus: {condition: healthy}}
    probes: {readiness: {http: "http://127.0.0.1:9093/-/ready", interval: 5s}}
` : ''}  photo-worker:
    display_name: Photo worker
    description: resizes what the phone uploads
    command: [${home}/bin/resize-photos]
    autostart: true
    tags: [photos]
    env: {PHOTOS: ${home}/photos, WORKERS: "2"}
  photo-site:
    display_name: Photo site
    description: shows the albums
    command: ["${self}", demo, steady, --port, "8000"]
    ports: [8000]
    autostart: true
    tags: [photos, web]
    depends_on: {photo-worker: {condition: started}}
    probes:
      readiness: {http: "http://127.0.0.1:8000/health", interval: 2s}
      liveness: {tcp: "127.0.0.1:8000", interval: 10s}
  wiki:
    display_name: Wiki
    description: notes of the house
    command: ["${self}", demo, steady, --port, "8100", --every, 4s]
    ports: [8100]
    autostart: true
    tags: [web]
    probes: {readiness: {http: "http://127.0.0.1:8100/health", interval: 5s}}
  feed-mirror:
    display_name: Feed mirror
    description: copies the public feed as it is written
    command: [${home}/bin/mirror-feed]
    autostart: true
  mail-fetcher:
    display_name: Mail fetcher
    description: brings mail to the archive
    command: [${home}/bin/fetch-mail]
    autostart: true
    restart: {policy: always, initial: 5s, factor: 2, max: 5m, limit: {attempts: 0}}
  scanner:
    display_name: Document scanner
    description: reads the scanner's folder
    command: [/usr/local/bin/scand, --folder, ${home}/scans]
    tags: [documents]
  tunnel:
    display_name: Tunnel
    description: reaches home from outside, started by hand
    command: [ssh, -N, home.example.com]
  nightly-backup:
    type: job
    display_name: Nightly backup
    description: archives documents, photos and mail
    command: [${home}/bin/nightly-backup]
    schedule: {cron: "0 3 * * *"}
  thumbnails:
    type: job
    display_name: Thumbnails
    description: makes small pictures of new photos
    command: [${home}/bin/thumbnails]
    tags: [photos]
    schedule: {cron: "* * * * *", keep: 50}
  check-links:
    type: job
    display_name: Link check
    description: looks for broken links in the wiki
    command: [${home}/bin/check-links]
    schedule: {cron: "30 6 * * 1"}
`

/** Starts the stage; url is what a browser opens. */
export async function startStage() {
  const hidden = process.platform === 'linux' && process.getuid() === 0 && spawnSync('unshare', ['-mupnif', '--mount-proc', 'ip', 'link', 'add', 'a0', 'type', 'veth', 'peer', 'name', 'a1']).status === 0
  if (!hidden) console.error('not root on Linux, or without unshare and ip: the pictures will show names of this machine')
  const dir = mkdtempSync(join(tmpdir(), 'stage-'))
  const real = join(dir, 'home') // what is at home on the stage
  const home = hidden ? '/home/ada' : real
  const self = hidden ? '/opt/controlcenter/controlcenter' : binary
  for (const d of ['bin', 'photos', 'scans', 'state', 'metrics', 'alertmanager']) mkdirSync(join(real, d), { recursive: true })
  cpSync(join(root, 'examples/knowledge'), join(real, 'knowledge'), { recursive: true })
  const put = (name, text, mode = 0o644) => {
    writeFileSync(join(real, name), text)
    chmodSync(join(real, name), mode)
  }
  for (const [name, text] of Object.entries(SCRIPTS)) put(`bin/${name}`, `#!/bin/sh\n${text}\n`, 0o755)
  put('prometheus.yml', 'scrape_configs: [{job_name: controlcenter, scrape_interval: 5s, static_configs: [{targets: ["127.0.0.1:8080"]}]}]\n')
  put('alertmanager.yml', 'route: {receiver: none}\nreceivers: [{name: none}]\n')
  put('controlcenter.yaml', `web: {listen_addresses: ["127.0.0.1:8080"]}
storage: {path: ${home}/state}
auth: {anonymous: [health, metrics]}
exporter: {ports: {start: 3000, end: 9999}}
knowledge:
  roots: [{id: notes, path: ${home}/knowledge}]
  scan: {every: 10m, watch: true}
notify:
  channels:
    house: {url: "http://127.0.0.1:8000/hook", min_severity: warning}
    night: {url: "http://127.0.0.1:8100/hook", min_severity: critical}
usage:
  budgets: {total: {monthly_usd: 40}, openai: {daily_usd: 1.5, monthly_usd: 25}}
${services(home, self)}`)

  let child
  const serve = ['serve', `--config.file=${home}/controlcenter.yaml`]
  if (hidden) {
    writeFileSync(join(dir, 'passwd'), readFileSync('/etc/passwd', 'utf8').replace(/^root:.*$/m, 'ada:x:0:0:Ada:/home/ada:/bin/sh').replaceAll(/^(?!ada:|daemon:|nobody:).*\n/gm, ''))
    cpSync(binary, join(dir, 'controlcenter'))
    writeFileSync(join(dir, 'peer.mjs'), `import { createServer } from 'node:http'
const block = Buffer.alloc(16384, 'x')
createServer((q, r) => { const go = () => { if (r.destroyed) return; const t = Date.now() / 1000
  const rate = 260e3 + 180e3 * Math.sin(t / 41) + 90e3 * Math.sin(t / 7.3) + (Math.sin(t / 97) > 0.93 ? 900e3 : 0)
  r.write(block); setTimeout(go, 16384 / Math.max(rate, 30e3) * 1000) }; go() }).listen(7000, '10.20.0.1')
`)
    writeFileSync(join(dir, 'play'), `set -e
hostname workshop
mkdir -p ${dir}/homes/ada ${dir}/opt/controlcenter; mount --bind ${dir}/homes /home; mount --bind ${dir}/home /home/ada
mount --bind ${dir}/opt /opt; cp ${dir}/controlcenter /opt/controlcenter/controlcenter
mount --bind ${dir}/passwd /etc/passwd
ip link set lo up
ip link add eth0 type veth peer name peer0
unshare -n sh -c 'while ! ip addr add 10.20.0.1/24 dev peer0 2>/dev/null; do sleep 0.1; done; ip link set lo up; ip link set peer0 up; exec ${process.execPath} ${dir}/peer.mjs' &
peer=$!
while [ "$(readlink /proc/$peer/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link set peer0 netns $peer
ip addr add 10.20.0.2/24 dev eth0; ip link set eth0 up
cd /home/ada
exec /opt/controlcenter/controlcenter ${serve.join(' ')}
`)
    // With its own process namespace everything ends when its first process does.
    child = spawn('unshare', ['--mount', '--uts', '--ipc', '--pid', '--net', '--fork', '--kill-child', '--mount-proc', 'sh', join(dir, 'play')],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...BARE, HOME: '/home/ada', USER: 'ada', LOGNAME: 'ada' } })
  } else {
    child = spawn(binary, serve, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...BARE, HOME: home }, cwd: home })
  }
  let said = ''
  child.stderr.on('data', (d) => { said = (said + d).slice(-20_000) })

  // A browser cannot enter the stage's network, but its socket lies in a folder.
  const open = new Set()
  const door = createServer((c) => {
    const s = connect(join(real, 'state/controlcenter.sock'))
    for (const [a, b] of [[c, s], [s, c]]) {
      open.add(a)
      a.pipe(b)
      a.on('error', () => b.destroy())
      a.on('close', () => { open.delete(a); b.destroy() })
    }
  })
  await new Promise((done) => door.listen(Number(process.env.STAGE_PORT ?? 0), '127.0.0.1', done))
  const url = `http://127.0.0.1:${door.address().port}`
  const api = async (path, method = 'GET', body) => {
    const r = await fetch(url + path, { method, headers: body ? { 'Content-Type': 'application/json' } : {}, body: body && JSON.stringify(body) })
    return { status: r.status, body: await r.json() }
  }
  await until('the stage to answer', async () => child.exitCode !== null || (existsSync(join(real, 'state/controlcenter.sock')) && (await fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) })).ok))
  if (child.exitCode !== null) throw new Error(`the server ended: ${said}`)
  return {
    url, api, output: () => said,
    async stop() {
      if (!hidden) await new Promise((done) => spawn(binary, ['down', '--url', 'http://127.0.0.1:8080'], { stdio: 'ignore' }).once('exit', done).once('error', done))
      const gone = new Promise((done) => child.once('exit', done))
      child.kill(hidden ? 'SIGKILL' : 'SIGTERM') // of unshare, which takes the stage's first process with it
      await gone
      door.close()
      for (const s of open) s.destroy()
      rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 })
    },
  }
}

/** Lets happen what pictures should show: a failed service, runs of jobs, users, keys, a mute, API calls of a month. */
export async function play({ api }) {
  const must = async (...call) => {
    const r = await api(...call)
    if (r.status >= 300) throw new Error(`${call[1] ?? 'GET'} ${call[0]}: ${r.status} ${JSON.stringify(r.body)}`)
    return r.body
  }
  await api('/api/services/scanner/start', 'POST') // fails: its program is not there
  await must('/api/services', 'POST', {
    name: 'album-copies', display_name: 'Album copies', description: 'brings new albums to the other house', tags: ['photos'],
    command: ['sh', '-c', 'while :; do echo "nothing new since $(date +%H:%M)"; sleep 60; done'], env: { TARGET: 'attic:/albums' },
    depends_on: { 'photo-site': { condition: 'healthy' } }, autostart: true, stop: { grace: '5s' },
  })
  await must('/api/services/album-copies/start', 'POST')
  for (const job of ['nightly-backup', 'check-links', 'thumbnails']) await must(`/api/jobs/${job}/run`, 'POST')
  await must('/api/knowledge/scan', 'POST')
  const calls = []
  for (let day = 29; day >= 0; day--) {
    const at = new Date(Date.now() - day * 86_400_000 - 60_000).toISOString()
    const busy = 1 + Math.round(3 * Math.abs(Math.sin(day * 1.7)) + (day % 7 < 2 ? 0 : 4))
    calls.push({ api: 'openai', model: 'gpt-4o', count: busy * 6, input_tokens: busy * 21_400, output_tokens: busy * 4_300, timestamp: at },
      { api: 'openai', model: 'gpt-4o-mini', count: busy * 15, input_tokens: busy * 64_000, output_tokens: busy * 9_100, timestamp: at },
      { api: 'anthropic', model: 'claude-sonnet-4-5', count: busy * 2, input_tokens: busy * 18_200, cached_tokens: busy * 9_000, output_tokens: busy * 2_900, timestamp: at },
      { api: 'youtube', count: busy * 3, units: busy * 100, timestamp: at })
  }
  await must('/api/usage/track', 'POST', { calls })
  await must('/api/auth/register', 'POST', { username: 'grace', password: 'correct horse battery', role: 'user', full_name: 'Grace' })
  await must('/api/auth/register', 'POST', { username: 'kiosk', password: 'correct horse battery', role: 'readonly' })
}

if (process.argv[1] === new URL(import.meta.url).pathname) { // by hand: a stage that stays until it is interrupted
  const stage = await startStage()
  await play(stage)
  console.log(stage.url)
  for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => void stage.stop().then(() => process.exit(0)))
}
