import { expect, test } from 'vitest'
import type { Alert } from '../../queries'
import { worst } from './lists'
import { once } from './parts'

test('a file system is shown once, under its shortest name', () => {
  const at = (device: string, mountpoint: string) => ({ device, mountpoint })
  const list = [at('/dev/sda1', '/var/lib/images'), at('/dev/sda1', '/'), at('tmpfs', '/run'), at('tmpfs', '/tmp'), at('/dev/sdb1', '/data'), at('/dev/sda1', '/etc/hosts')]
  expect(once(list).map((f) => f.mountpoint)).toEqual(['/', '/run', '/tmp', '/data'])
})

test('of the alerts of a service the worst is shown, the worst and newest first', () => {
  const alert = (rule: string, severity: string, service: string | undefined, since: string) => ({ rule, severity, service, since, summary: `${rule} fires`, state: 'firing' }) as Alert
  const shown = worst([
    alert('crashed', 'warning', 'mail', '2026-01-01T00:05:00Z'), alert('failed', 'critical', 'mail', '2026-01-01T00:01:00Z'),
    alert('disk', 'warning', undefined, '2026-01-01T00:02:00Z'), alert('cpu', 'warning', undefined, '2026-01-01T00:03:00Z'),
    alert('told', 'info', 'wiki', '2026-01-01T00:09:00Z'), alert('failed', 'critical', 'photos', '2026-01-01T00:04:00Z'),
  ])
  expect(shown.map((a) => `${a.rule} ${a.service ?? ''}`.trim())).toEqual(['failed photos', 'failed mail', 'cpu', 'disk', 'told wiki'])
})
