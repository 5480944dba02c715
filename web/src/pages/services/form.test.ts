import { expect, test } from 'vitest'
import { faultOf, fieldsOf, patchOf, readRest, specOf } from './form'

const d = {
  name: 'web', command: ['sh', '-c', 'echo a\necho b', '', '"quoted"'], ports: [8080, 8081], tags: ['x'], env: { A: 'b=c', PEM: 'one\ntwo', EMPTY: '', TOKEN: '********' },
  depends_on: { db: { condition: 'healthy', timeout: '5s' }, cache: {} }, autostart: true, restart: { policy: 'always', max: '9s' }, limits: { nofile: 10 },
  probes: { readiness: { http: 'http://a/', interval: '5s' } }, schedule: { cron: '0 3 * * *', timezone: 'UTC' },
}

test('a definition comes back from the form as it was, with what the form has no field for', () => {
  expect(specOf(d, fieldsOf(d))).toEqual(d)
  expect(patchOf(d, specOf(d, fieldsOf(d)))).toEqual({})
  const shell = { name: 's', shell: true, command: ['a\nb "c"'] }
  expect(specOf(shell, fieldsOf(shell))).toEqual(shell)
  const template = { name: 't', template: 'ollama' }
  expect(specOf(template, fieldsOf(template))).toEqual(template)
})

test('emptied fields leave the definition; what is no port is sent for the server to refuse', () => {
  const spec = specOf({ name: 'web', cwd: '/tmp', tags: ['x'], command: ['x'] }, { ...fieldsOf({ name: 'web' }), ports: 'http' })
  expect(spec).toEqual({ name: 'web', command: [], ports: ['http'] })
})

test('only what was changed is sent', () => {
  const f = fieldsOf(d)
  const changed = { ...f, description: 'new', cwd: '', env: f.env.replace('A=b=c', 'A=z'), tags: '', depends_on: 'db:started', schedule: '10m' }
  expect(patchOf(d, specOf(d, changed))).toEqual({
    description: 'new', env: { A: 'z' }, tags: null, depends_on: { db: { condition: 'started' }, cache: null }, schedule: { cron: null, every: '10m' },
  })
})

test('a probe is sent whole, because naming its kind replaces it', () => {
  const after = { ...d, probes: { readiness: { http: 'http://b/', interval: '5s' } } }
  expect(patchOf(d, after)).toEqual({ probes: { readiness: { http: 'http://b/', interval: '5s' } } })
  expect(patchOf(d, { ...d, probes: { readiness: { tcp: 'a:1' } } })).toEqual({ probes: { readiness: { tcp: 'a:1', http: null, interval: null } } })
})

test('the last field is JSON of what has no other', () => {
  expect(readRest('')).toEqual({ rest: {} })
  expect(readRest('{').fault).toMatch(/no JSON/)
  expect(readRest('[]').fault).toMatch(/object/)
  expect(readRest('{"env": {}, "restart": {"policy": "no"}}').fault).toBe('env, restart.policy: there is a field for this above')
})

test('each error stands at its field', () => {
  expect(faultOf(['body', 'env', 'KEY'], 'is bad')).toEqual({ field: 'env', text: 'KEY is bad' })
  expect(faultOf(['body', 'ports[1]'], '0 must be 1 to 65535')).toEqual({ field: 'ports', text: 'the 2. 0 must be 1 to 65535' })
  expect(faultOf(['body', 'command[0]'], 'is bad')).toEqual({ field: 'command', text: 'line 1 is bad' })
  expect(faultOf(['body', 'schedule', 'every'], 'x')).toEqual({ field: 'schedule', text: 'x' })
  expect(faultOf(['body', 'restart', 'max'], 'x')).toEqual({ field: 'rest', text: 'restart.max x' })
  expect(faultOf(['body'], 'x')).toEqual({ field: null, text: 'x' })
})
