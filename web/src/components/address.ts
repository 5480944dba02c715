// What a page shows, in its query string: filters, search, the open tab.
import { useCallback } from 'react'
import { useSearchParams } from 'wouter'

export type Changes = Record<string, string | null | undefined>

/** The parameters with changes made; what is empty is left out. */
export function changed(old: URLSearchParams, changes: Changes): URLSearchParams {
  const next = new URLSearchParams(old)
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value)
    else next.delete(name)
  }
  return next
}

export function useAddress() {
  const [search, setSearch] = useSearchParams()
  const set = useCallback((changes: Changes, keep = false) => setSearch((old) => changed(old, changes), { replace: !keep }), [setSearch])
  return { get: (name: string) => search.get(name) ?? '', set, search, to: (changes: Changes) => `?${changed(search, changes)}` }
}
