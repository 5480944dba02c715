// Calls beside the typed client: routes that its types do not know yet, bodies that are no JSON.
import { getJSON, unwrap } from './client'
import type { Call } from '../components/actions'

/** A path with the parameters that have a value. */
export function withQuery(path: string, parameters: Record<string, string | number | boolean | null | undefined>): string {
  const q = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== '' && value !== false) q.set(name, String(value))
  }
  const text = q.toString()
  return text ? `${path}?${text}` : path
}

export const get = <T>(path: string, parameters: Parameters<typeof withQuery>[1] = {}) => getJSON<T>(withQuery(path, parameters))

/** Sends a call; what is no JSON (a file) goes as it is. */
export async function send<T>(call: Call): Promise<T> {
  const file = call.body instanceof Blob
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (call.body !== undefined) headers['Content-Type'] = file ? 'application/octet-stream' : 'application/json'
  return unwrap<T>(
    fetch(call.path, { method: call.method, headers, body: call.body === undefined ? undefined : file ? call.body as Blob : JSON.stringify(call.body) }).then(async (response) => {
      const body = await response.json().catch(() => undefined)
      return response.ok ? { data: (body ?? {}) as T, response } : { error: body, response }
    }),
  )
}
