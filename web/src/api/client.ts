// The typed client of the REST API. Types come from openapi.json (npm run api); paths, parameters and answers are checked by
// the compiler.
import createClient from 'openapi-fetch'
import { ask } from './early'
import type { components, paths } from './schema'

export type Schemas = components['schemas']
export type SystemFrame = Schemas['SystemFrame']
export type Service = Schemas['ServiceObject']
export type EventRow = Schemas['EventRow']

/** What the server said when it refused or failed: its own words, kind, and id of the request in its log. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code = '',
    readonly lines: string[] = [],
    readonly requestId = '',
    readonly fields: { loc: string[]; msg: string }[] = [],
  ) {
    super(message)
  }
}

export const api = createClient<paths>({ baseUrl: typeof location === 'undefined' ? 'http://localhost' : location.origin, fetch: ask })

type Answer<T> = { data?: T; error?: unknown; response: Response }

/** Returns the data of an answer or throws an ApiError with the server's reason. */
export async function unwrap<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>
  try {
    answer = await call
  } catch (cause) {
    throw new ApiError(0, 'The server cannot be reached.', 'network', [], '', [])
  }
  if (answer.response.ok && answer.data !== undefined) return answer.data
  throw problemOf(answer.response, answer.error)
}

/** Reads JSON from a path that openapi.json does not describe yet. */
export async function getJSON<T>(path: string): Promise<T> {
  return unwrap<T>(
    ask(path, { headers: { Accept: 'application/json' } }).then(async (response) => {
      const body = await response.json().catch(() => undefined)
      return response.ok ? { data: body as T, response } : { error: body, response }
    }),
  )
}

export function problemOf(response: Response, body: unknown): ApiError {
  const p = (body ?? {}) as Partial<Schemas['Problem']>
  const text = p.error ?? p.detail ?? `The server answered ${response.status} ${response.statusText}`.trim()
  const fields = (p.errors ?? []).map((e) => ({ loc: e.loc ?? [], msg: e.msg }))
  return new ApiError(response.status, text, p.code ?? '', p.lines ?? [], p.request_id ?? '', fields)
}

/** The text of whatever was thrown, for a person. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
