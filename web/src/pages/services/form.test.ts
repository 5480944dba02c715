import { expect, test } from 'vitest'
import { fieldsOf, specOf } from './form'

test('a definition comes back from the form as it was, with what the form does not show', () => {
  const d = { name: 'web', command: ['sh', '-c', 'echo a b'], ports: [8080, 8081], tags: ['x'], env: { A: 'b=c' }, depends_on: { db: { condition: 'healthy' } }, autostart: true, restart: { policy: 'always' } }
  expect(specOf(d, fieldsOf(d))).toEqual(d)
})

test('emptied fields leave the definition; what is no port is sent for the server to refuse', () => {
  const spec = specOf({ name: 'web', cwd: '/tmp', tags: ['x'] }, { ...fieldsOf({ name: 'web' }), ports: 'http' })
  expect(spec).toEqual({ name: 'web', command: [], ports: ['http'] })
})
