// Search as one types, with filters and counts that are filters too. Without words: the newest files.
import { useEffect, useState } from 'react'
import { Button, SegmentedControl, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useAddress } from '../../components/address'
import { Icon } from '../../components/icons'
import { Pager } from '../../components/Pager'
import { Card, EmptyState, ErrorState, SkeletonRows } from '../../components/ui'
import { number } from '../../format'
import { CopyAsCurl } from '../../components/actions'
import { withQuery } from '../../api/rest'
import { Confidence, FileTitle, Origin, ReviewState, VideoLink } from './parts'
import { creatorsOf, filesOf, marked, PAGE_SIZE, queryOf, searchOf, statsOf, type FacetCount, type Filters, type Fragment, type Hit, type KnowledgeFile } from './queries'
import s from './knowledge.module.css'

const PAUSE = 150 // between the last key and the search

function useLater<T>(value: T): T {
  const [late, set] = useState(value)
  useEffect(() => {
    const t = setTimeout(() => set(value), PAUSE)
    return () => clearTimeout(t)
  }, [value])
  return late
}

const counts = (m: Record<string, number> | undefined): FacetCount[] | undefined => m && Object.entries(m).map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count || a.value.localeCompare(b.value))

function Facet({ name, title, list }: { name: string; title: string; list: FacetCount[] | undefined }) {
  const { get, set } = useAddress()
  const [all, setAll] = useState(false)
  const chosen = get(name)
  const rows = list?.filter((x) => x.count > 0) ?? []
  const shown = all ? rows : rows.slice(0, 7)
  if (chosen && !shown.some((x) => x.value === chosen)) shown.unshift(rows.find((x) => x.value === chosen) ?? { value: chosen, count: 0 })
  if (list && shown.length === 0) return null
  return (
    <fieldset className={s.facet}>
      <legend>{title}</legend>
      {!list ? <SkeletonRows rows={3} height={12} /> : shown.map((x) => (
        <button key={x.value} type="button" aria-pressed={x.value === chosen} onClick={() => set({ [name]: x.value === chosen ? null : x.value, page: null })}>
          <span>{x.value}</span><span className="num">{number(x.count)}</span>
        </button>
      ))}
      {rows.length > 7 ? <button type="button" className={s.moreFacets} onClick={() => setAll(!all)}>{all ? 'Fewer' : `${rows.length - 7} more`}</button> : null}
    </fieldset>
  )
}

const Marked = ({ pieces }: { pieces: Fragment[] }) => <>{pieces.map((h, i) => (h.match ? <mark key={i}>{h.text}</mark> : <span key={i}>{h.text}</span>))}</>

function Row({ file: f, hit }: { file: KnowledgeFile; hit?: Hit }) {
  return (
    <li className={s.hit}>
      <span className={s.hitHead}><FileTitle file={f} /><ReviewState status={f.status} /><Confidence value={f.confidence} /></span>
      {hit?.insight ? (
        <span className={s.insightLine}><VideoLink url={hit.insight.url} at={hit.insight.t} /><span><Marked pieces={marked(hit.insight.text, hit.highlights)} /></span></span>
      ) : hit ? <span className={s.preview}><Marked pieces={hit.highlights} /></span> : null}
      <Origin file={f} />
    </li>
  )
}

export function Search() {
  const { get, set } = useAddress()
  const text = get('q')
  const later = useLater(text)
  const filters: Filters = { text: later, agent: get('agent'), category: get('category'), creator: get('creator'), confidence: get('confidence'), page: Math.max(1, Number(get('page')) || 1) }
  const wanted = queryOf(filters)
  const searching = wanted.length >= 2
  const found = useQuery({ ...searchOf(filters), enabled: searching })
  const files = useQuery({ ...filesOf(filters.page), enabled: !searching })
  const stats = useQuery(statsOf)
  const creators = useQuery(creatorsOf)
  const answer = searching ? found : files
  const total = answer.data?.total ?? 0
  const facets = searching ? found.data?.facets : undefined
  const filtered = Boolean(filters.agent || filters.category || filters.creator || filters.confidence)
  const clear = <Button size="xs" variant="default" onClick={() => set({ q: null, agent: null, category: null, creator: null, confidence: null, page: null })}>Clear all</Button>
  const empty = stats.data && stats.data.total_files === 0

  return (
    <div className={s.columns}>
      <Card label="Results" flush>
        <div className={s.bar}>
          <TextInput className={s.field} placeholder="Search the knowledge base" aria-label="Search the knowledge base" value={text} data-search data-autofocus
            onChange={(e) => set({ q: e.currentTarget.value, page: null })} leftSection={<Icon name="search" size={15} />} />
          <SegmentedControl size="xs" aria-label="Least confidence" value={filters.confidence || 'any'} onChange={(v) => set({ confidence: v === 'any' ? null : v, page: null })}
            data={[{ value: 'any', label: 'Any confidence' }, { value: '0.6', label: '≥ 60 %' }, { value: '0.8', label: '≥ 80 %' }, { value: '0.9', label: '≥ 90 %' }]} />
        </div>
        <p className={s.status} role="status">
          {text.trim().length === 1 && !filtered ? 'One more letter and the search begins.' : !answer.data ? ' ' : searching
            ? <>{number(total)} file{total === 1 ? '' : 's'}{found.data ? <span title={`${found.data.took_seconds} s`}> in {Math.max(1, Math.round((found.data.took_seconds ?? 0) * 1000))} ms</span> : null}
              {found.data?.corrected ? <>, searched for <b>{found.data.corrected}</b></> : null}{found.data?.mode === 'literal' ? ', by reading the files' : ''}
              {found.data?.truncated || found.data?.degraded ? ', there may be more: the index is not complete' : ''}</>
            : <>The newest of {number(total)} files</>}
          {searching ? <span className={s.end}><CopyAsCurl call={{ method: 'GET', path: withQuery('/api/knowledge/search', { query: wanted, facets: true }) }} label="Copy search as curl" />{clear}</span> : null}
        </p>
        {answer.isError ? <ErrorState error={answer.error} what={searching ? 'The search failed' : 'Files could not be read'} retry={() => void answer.refetch()} /> : !answer.data ? <SkeletonRows rows={9} height={20} /> : total === 0 ? (
          empty ? <EmptyState icon="knowledge" title="Nothing is indexed yet">Name a folder under <code className="mono">knowledge.roots</code> in the configuration, then start a scan.</EmptyState>
            : <EmptyState icon="search" title="No file matches" action={clear}>All words must occur. Try fewer, <code className="mono">word~1</code> for spellings alike, or <code className="mono">this OR that</code>.</EmptyState>
        ) : (
          <ul className={`${s.hits} ${answer.isPlaceholderData ? s.old : ''}`} data-testid="hits">
            {searching ? found.data?.results.map((h) => <Row key={h.id} file={h} hit={h} />) : files.data?.files.map((f) => <Row key={f.id} file={f} />)}
          </ul>
        )}
        <Pager page={filters.page} pages={Math.ceil(total / PAGE_SIZE)} go={(p) => set({ page: p > 1 ? String(p) : null }, true)} />
      </Card>
      <Card title="Narrow down" className={s.facets}>
        <Facet name="agent" title="Agent" list={facets?.agent ?? (searching ? undefined : counts(stats.data?.by_agent))} />
        <Facet name="category" title="Category" list={facets?.category ?? (searching ? undefined : counts(stats.data?.by_category))} />
        <Facet name="creator" title="Creator" list={facets?.creator ?? (searching ? undefined : creators.data?.creators.map((c) => ({ value: c.name, count: c.related_files })).sort((a, b) => b.count - a.count))} />
      </Card>
    </div>
  )
}
