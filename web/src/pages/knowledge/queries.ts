// What the knowledge pages ask for.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { Schemas } from '../../api/client'
import { get } from '../../api/rest'

export type KnowledgeFile = Schemas['KnowledgeFile']
export type Insight = Schemas['KnowledgeInsight']
export type Fragment = Schemas['Fragment']
export type Hit = Schemas['KnowledgeHit']
export type FacetCount = Schemas['FacetCount']
export type SearchAnswer = Schemas['KnowledgeSearchBody']
export type FileDetail = Schemas['KnowledgeFileBody']
export type Creator = Schemas['KnowledgeCreatorRow']
export type ScanJob = Schemas['KnowledgeJob']
export type Stats = Schemas['KnowledgeStats']
export type ToReview = Schemas['KnowledgeReason']

const BASE = '/api/knowledge'
export const PAGE_SIZE = 20

export type Filters = { text: string; agent: string; category: string; creator: string; confidence: string; page: number }

const quoted = (v: string) => (/^[\w.-]+$/.test(v) ? v : `"${v.replaceAll('"', '')}"`)

/** The query that text and filters make together, in the language of the search. */
export function queryOf(f: Filters): string {
  const text = f.text.trim()
  return [
    text, f.agent && `agent:${quoted(f.agent)}`, f.category && `category:${quoted(f.category)}`, f.creator && `creator:${quoted(f.creator)}`,
    f.confidence && `confidence>=${f.confidence}`,
  ].filter(Boolean).join(' ')
}

export const statsOf = queryOptions({ queryKey: ['kb', 'stats'], queryFn: () => get<Stats>(`${BASE}/stats`), refetchInterval: 30_000 })

export const searchOf = (f: Filters) => queryOptions({
  queryKey: ['kb', 'search', f],
  queryFn: () => get<SearchAnswer>(`${BASE}/search`, { query: queryOf(f), facets: true, limit: PAGE_SIZE, page: f.page, sort: f.text.trim() ? '' : 'modified' }),
  placeholderData: keepPreviousData, // as one types, the rows before stay until the next are there
  retry: false,
})

export const filesOf = (page: number) => queryOptions({
  queryKey: ['kb', 'files', page],
  queryFn: () => get<Schemas['KnowledgeFilesBody']>(`${BASE}/files`, { limit: PAGE_SIZE, page }),
  placeholderData: keepPreviousData,
})

const fileURL = (id: string) => `${BASE}/files/${encodeURIComponent(id)}`
export const fileOf = (id: string) => queryOptions({ queryKey: ['kb', 'file', id], queryFn: () => get<FileDetail>(fileURL(id), { content: true }) })
export const relatedOf = (id: string) => queryOptions({ queryKey: ['kb', 'related', id], queryFn: () => get<Schemas['KnowledgeRelated']>(`${fileURL(id)}/related`, { limit: 10 }) })
export const creatorsOf = queryOptions({ queryKey: ['kb', 'creators'], queryFn: () => get<Schemas['KnowledgeCreatorsBody']>(`${BASE}/creators`), staleTime: 30_000 })
export const jobsOf = queryOptions({ queryKey: ['kb', 'jobs'], queryFn: () => get<Schemas['KnowledgeJobsBody']>(`${BASE}/jobs`, { limit: 50 }), refetchInterval: 30_000 })
export const heldOf = queryOptions({ queryKey: ['kb', 'held'], queryFn: () => get<Schemas['KnowledgeHeldBody']>(`${BASE}/held`), refetchInterval: 30_000 })

export const reviewsOf = queryOptions({ queryKey: ['kb', 'to-review'], queryFn: () => get<Schemas['KnowledgeToReviewBody']>(`${BASE}/to-review`, { limit: 100 }) })

export const runs = (j: ScanJob) => j.status === 'running' || j.status === 'queued'

/** 2:30 or 1:02:30, as players show it. */
export function playTime(seconds: number): string {
  const n = Math.floor(seconds)
  const two = (v: number) => String(v).padStart(2, '0')
  return n >= 3600 ? `${Math.floor(n / 3600)}:${two(Math.floor(n / 60) % 60)}:${two(n % 60)}` : `${Math.floor(n / 60)}:${two(n % 60)}`
}

/** Jobs with one taken in: in the place of its older state, or first. */
export function withJob(jobs: ScanJob[], job: ScanJob): ScanJob[] {
  const at = jobs.findIndex((j) => j.id === job.id)
  return at < 0 ? [job, ...jobs] : jobs.map((j, i) => (i === at ? job : j))
}

/** Another text of the same file in pieces, with the words marked that the server marked in its preview. */
export function marked(text: string, highlights: Fragment[]): Fragment[] {
  const words = new Set(highlights.filter((h) => h.match).map((h) => h.text.toLowerCase()))
  if (words.size === 0) return [{ text, match: false }]
  const any = [...words].sort((a, b) => b.length - a.length).map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  return text.split(new RegExp(`(${any})`, 'gi')).filter(Boolean).map((t) => ({ text: t, match: words.has(t.toLowerCase()) }))
}
