// Who looks, and how one logs in and out.
import { queryOptions, useQuery } from '@tanstack/react-query'
import { get } from '../../api/rest'

export type Me = { username: string; access: string; method: string }

export const meQuery = queryOptions({ queryKey: ['me'], queryFn: () => get<Me>('/api/auth/me'), staleTime: 60_000, retry: false })

/** Whether who looks may change definitions and settings. The server decides; here only what would be refused is left out. */
export const useAdmin = () => useQuery(meQuery).data?.access === 'admin'

/** The code of a login link: it stands behind the #, which browsers keep to themselves. */
export function codeOf(hash: string): string | null {
  return hash.startsWith('#code=') ? decodeURIComponent(hash.slice(6)) || null : null
}

export const sessionCall = (body: { username: string; password: string } | { code: string }) => ({ method: 'POST' as const, path: '/api/auth/session', body })
export const logoutCall = { method: 'DELETE' as const, path: '/api/auth/session' }
