import { expect, test } from 'vitest'
import { cronWords, scheduleWords } from './schedule'

test('schedules as words; what is not common stays as it stands', () => {
  expect(cronWords('* * * * *')).toBe('every minute')
  expect(cronWords('*/5 * * * *')).toBe('every 5 minutes')
  expect(cronWords('0 3 * * *')).toBe('every day at 03:00')
  expect(cronWords('30 9 * * MON')).toBe('every Monday at 09:30')
  expect(cronWords('0 0 1 * *')).toBe('0 0 1 * *')
  expect(cronWords('@daily')).toBe('@daily')
  expect(scheduleWords({ every: '10m' })).toBe('every 10m')
  expect(scheduleWords({})).toBe('only when asked')
})
