// Who looks, and how one logs in and out.
import { queryOptions, useQuery } from '@tanstack/react-query'
import { ApiError, type Schemas } from '../../api/client'
import { get } from '../../api/rest'

export type Me = Schemas['MeBody']

/** What says that a session is needed. */
export const refused = (e: unknown) => e instanceof ApiError && e.status === 401

// Whoever was refused is not asked about again by drawing: the login does that.
export const meQuery = queryOptions({
  queryKey: ['me'], queryFn: () => get<Me>('/api/auth/me'), staleTime: 60_000, retry: false, retryOnMount: (q) => !refused(q.state.error),
})

/** Whether who looks may change definitions and settings. The server decides; here only what would be refused is left out. */
export const useAdmin = () => useQuery(meQuery).data?.access === 'admin'

/** The code of a login link: it stands behind the #, which browsers keep to themselves. */
export function codeOf(hash: string): string | null {
  if (!hash.startsWith('#code=')) return null
  try {
    return decodeURIComponent(hash.slice(6)) || null
  } catch {
    return null // a cut address
  }
}

export const sessionCall = (body: { username: string; password: string } | { code: string }) => ({ method: 'POST' as const, path: '/api/auth/session', body })
export const logoutCall = { method: 'DELETE' as const, path: '/api/auth/session' }
