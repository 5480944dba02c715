// What the knowledge pages ask for.
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { get } from '../../api/rest'

export type KnowledgeFile = {
  id: string; path: string; relative_path: string; root: string; name: string; title: string; agent: string; category: string; type: string; source: string
  creator_id: string; video_id: string; url: string; language: string; status: string; tags: string[]; size: number; modified: string; published: string | null
  confidence: number | null; insight_count: number; metadata: { duration: number | null }
}
export type Insight = { id: string; text: string; confidence: number | null; t: number | null; t_end: number | null; url: string; tags: string[]; evidence: string; status: string }
export type Entry = { title: string; video_id: string; url: string; status: string; confidence: number | null; published: string | null; duration_seconds: number | null; insights: Insight[] }
export type Review = { insight_id?: string; status: string; superseded_by?: string; note?: string; actor: string; at: string; written: boolean; not_written?: string }
export type Fragment = { text: string; match: boolean }
export type Hit = KnowledgeFile & { highlights: Fragment[]; preview: string; match_count: number; insight: Insight | null }
export type FacetCount = { value: string; count: number }
type Listed = { total: number; limit: number; offset: number }
export type SearchAnswer = Listed & { results: Hit[]; facets?: Record<string, FacetCount[]>; corrected: string | null; degraded: boolean; truncated: boolean; took_seconds: number; mode: string }
export type FileDetail = KnowledgeFile & { insights: { word_count: number; sections: number; items: Insight[] }; entries: Entry[]; warnings: string[]; reviews: Review[]; content?: string }
export type Creator = {
  id: string; name: string; handle: string; subscribers: string; priority: string; focus: string; primary_agents: string[]; knowledge_categories: string[]
  update_frequency: string; value_rating: number; notes: string; related_files: number; channel_url: string; last_scan: string | null
}
export type ScanJob = {
  id: string; kind: string; trigger: string; actor?: string; status: string; root?: string; creator?: string; priority?: string; started_at: string; finished_at: string | null
  files_seen: number; files_unchanged: number; files_todo: number; files_parsed: number; files_indexed: number; files_deleted: number; files_rejected: number
  files_per_second: number; eta_seconds: number | null; insights_extracted: number; errors: { path: string; root: string; reason: string; detail?: string }[]
  errors_total: number; log: string[]; error: string
}
export type Stats = {
  total_files: number; total_creators: number; total_size_bytes: number; total_insights: number; by_agent: Record<string, number>; by_category: Record<string, number>
  by_confidence: Record<string, number>; last_scan: string | null; scanning: boolean; degraded: boolean; roots: { id: string; path: string }[]; index: { state: string; documents: number; disk_bytes: number }
}
export type ToReview = { why: string; file: KnowledgeFile; other: KnowledgeFile | null }

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
  queryFn: () => get<Listed & { files: KnowledgeFile[] }>(`${BASE}/files`, { limit: PAGE_SIZE, page }),
  placeholderData: keepPreviousData,
})

const fileURL = (id: string) => `${BASE}/files/${encodeURIComponent(id)}`
export const fileOf = (id: string) => queryOptions({ queryKey: ['kb', 'file', id], queryFn: () => get<FileDetail>(fileURL(id), { content: true }) })
export const relatedOf = (id: string) => queryOptions({ queryKey: ['kb', 'related', id], queryFn: () => get<{ files: (KnowledgeFile & { relation: string })[] }>(`${fileURL(id)}/related`, { limit: 10 }) })
export const creatorsOf = queryOptions({ queryKey: ['kb', 'creators'], queryFn: () => get<{ creators: Creator[] }>(`${BASE}/creators`), staleTime: 30_000 })
export const jobsOf = queryOptions({ queryKey: ['kb', 'jobs'], queryFn: () => get<{ total: number; jobs: ScanJob[] }>(`${BASE}/jobs`, { limit: 50 }), refetchInterval: 30_000 })
export const heldOf = queryOptions({ queryKey: ['kb', 'held'], queryFn: () => get<{ count: number; held: { root: string }[] }>(`${BASE}/held`), refetchInterval: 30_000 })

export const reviewsOf = queryOptions({ queryKey: ['kb', 'to-review'], queryFn: () => get<{ count: number; items: ToReview[] }>(`${BASE}/to-review`, { limit: 100 }) })

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
