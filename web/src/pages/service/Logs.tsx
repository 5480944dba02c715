// The log of a service: as it is written, or searched as a whole with the rotated files.
import { useMemo, useState, type FormEvent } from 'react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Button, Menu, TextInput } from '@mantine/core'
import { api, unwrap, type Schemas } from '../../api/client'
import { CopyAsCurl } from '../../components/actions'
import { Icon } from '../../components/icons'
import { LogView } from '../../components/LogView'
import { LogBuffer } from '../../components/logLines'
import { Badge, EmptyState, ErrorState, SkeletonRows } from '../../components/ui'
import { number } from '../../format'
import { lineOf, useFollow } from './follow'
import s from './service.module.css'

const PAGE = 2000
const LOG_HEIGHT = 'max(380px, calc(100dvh - 360px))'

type Setter = (name: string, value: string | null) => void

// How grave a line is the server reads from it; the gravest last.
const LEVELS = ['info', 'warn', 'error'] as const
type Level = (typeof LEVELS)[number]

export function LevelMenu({ level, set }: { level: Level | null; set: Setter }) {
  return (
    <Menu position="bottom-start" width={170}>
      <Menu.Target><Button size="xs" variant={level ? 'light' : 'subtle'} color={level ? undefined : 'gray'}>{level ? `level: ${level}+` : 'level'}</Button></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => set('level', null)}>All lines</Menu.Item>
        {LEVELS.map((l) => <Menu.Item key={l} onClick={() => set('level', l)} rightSection={l === level ? <Icon name="check" size={14} /> : null}>{l === 'error' ? 'Errors' : `At least ${l}`}</Menu.Item>)}
      </Menu.Dropdown>
    </Menu>
  )
}

/** An answer with lines; the other form, text, is only asked for by links. */
export const linesOf = (answer: string | Schemas['LogsBody']): Schemas['LogsBody'] => answer as Schemas['LogsBody']

/** Takes lines that were read at once into a buffer for the view. */
export function useLines(entries: Parameters<typeof lineOf>[0][] | null | undefined): LogBuffer {
  return useMemo(() => {
    const b = new LogBuffer()
    b.push((entries ?? []).map(lineOf))
    return b
  }, [entries])
}

function Live({ name, side, level }: { name: string; side: React.ReactNode; level: Level | null }) {
  const f = useFollow(name, true, level)
  return (
    <LogView label={`Log of ${name}, live`} buffer={f.buffer} version={f.version} height={LOG_HEIGHT}
      side={<>{side}{f.state === 'lost' ? <Badge tone="warn">connection lost, trying again</Badge> : null}</>}
      empty={f.state === 'connecting' ? <SkeletonRows rows={8} /> : f.buffer.length > 0 ? undefined : <EmptyState icon="logs" title={level ? 'No line is so grave' : 'No lines yet'}>What the service writes to its output appears here at once.</EmptyState>} />
  )
}

function Found({ name, text, side, level }: { name: string; text: string; side: React.ReactNode; level: Level | null }) {
  const [ends, setEnds] = useState<number[]>([]) // where the pages begin that were left for older ones
  const before = ends[ends.length - 1]
  const q = useQuery({
    queryKey: ['service', name, 'search', text, level, before ?? null],
    queryFn: () => unwrap(api.GET('/api/services/{name}/logs', { params: { path: { name }, query: { grep: text, ignore_case: true, lines: PAGE, before, level: level ?? undefined } } })).then(linesOf),
    placeholderData: keepPreviousData,
  })
  const buffer = useLines(q.data?.entries)
  if (q.isError) return <ErrorState error={q.error} what="The log could not be searched" retry={q.refetch} />
  if (!q.data) return <SkeletonRows rows={10} />
  return (
    <LogView key={`${level} ${before ?? 'newest'}`} label={`Lines of ${name} with ${text}`} buffer={buffer} version={buffer.version} height={LOG_HEIGHT}
      side={<>
        {side}
        {q.data.truncated ? <Button size="xs" variant="default" onClick={() => setEnds([...ends, q.data.entries?.[0]?.pos ?? q.data.next])}>Older</Button> : null}
        {ends.length > 0 ? <Button size="xs" variant="default" onClick={() => setEnds(ends.slice(0, -1))}>Newer</Button> : null}
      </>}
      empty={<EmptyState icon="search" title="No line matches">{buffer.length === 1 ? 'One line was' : `${number(buffer.length)} lines were`} found in all files of the log; the other filters leave none.</EmptyState>} />
  )
}

export function Logs({ name, search, set }: { name: string; search: URLSearchParams; set: Setter }) {
  const text = search.get('q') ?? ''
  const level = LEVELS.find((l) => l === search.get('level')) ?? null
  const [typed, setTyped] = useState(text)
  const look = (e: FormEvent) => {
    e.preventDefault()
    set('q', typed.trim() || null)
  }
  const path = `/api/services/${encodeURIComponent(name)}/logs?lines=10000&format=text${text ? `&grep=${encodeURIComponent(text)}&ignore_case=true` : ''}${level ? `&level=${level}` : ''}`
  const side = (
    <>
      <LevelMenu level={level} set={set} />
      <Button size="xs" variant="subtle" color="gray" component="a" href={`${path}&download=true`} leftSection={<Icon name="down" size={14} />}>download</Button>
      <CopyAsCurl call={{ method: 'GET', path }} />
    </>
  )
  return (
    <>
      <form className={s.searchBar} onSubmit={look} role="search">
        <TextInput size="xs" className={s.grow} placeholder="Search the whole log, rotated files too" aria-label="Search the whole log" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} leftSection={<Icon name="search" size={14} />} />
        <Button size="xs" type="submit" variant="default">Search</Button>
        {text ? <Button size="xs" variant="light" onClick={() => { setTyped(''); set('q', null) }}>Back to live</Button> : null}
      </form>
      {text ? <Found key={`${level} ${text}`} name={name} text={text} side={side} level={level} /> : <Live key={name} name={name} side={side} level={level} />}
    </>
  )
}
