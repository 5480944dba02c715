// Creators by tier: whom the knowledge comes from.
import { Button, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { Icon } from '../../components/icons'
import { Card, EmptyState, ErrorState, SkeletonRows, Tag } from '../../components/ui'
import { number } from '../../format'
import { useAddress } from '../../components/address'
import { creatorsOf, type Creator } from './queries'
import { VideoLink } from './parts'
import s from './knowledge.module.css'

const TIERS = ['critical', 'high', 'medium', 'low']

function Person({ creator: c }: { creator: Creator }) {
  return (
    <li className={s.creator}>
      <span className={s.hitHead}><b>{c.name}</b><span className={s.end}><VideoLink url={c.channel_url}>{c.handle || 'Channel'}</VideoLink></span></span>
      <span className="muted">{c.focus}{c.notes ? `. ${c.notes}` : ''}</span>
      <span className={s.origin}>
        <Link href={`/knowledge?creator=${encodeURIComponent(c.name)}`}>{number(c.related_files)} file{c.related_files === 1 ? '' : 's'}</Link>
        {c.subscribers ? <span>{c.subscribers} subscribers</span> : null}
        {c.update_frequency ? <span>{c.update_frequency}</span> : null}
        {c.value_rating ? <span title="Value rating">rated {c.value_rating} of 10</span> : null}
      </span>
      <span className={s.origin}>{c.knowledge_categories.map((t) => <Tag key={t}>{t}</Tag>)}</span>
    </li>
  )
}

export function Creators() {
  const { get, set } = useAddress()
  const q = useQuery(creatorsOf)
  const text = get('name')
  const want = text.toLowerCase()
  const rows = q.data?.creators.filter((c) => `${c.name} ${c.handle} ${c.focus} ${c.knowledge_categories.join(' ')}`.toLowerCase().includes(want)) ?? []
  const tiers = [...TIERS, ...new Set(rows.map((c) => c.priority).filter((t) => !TIERS.includes(t)))]
  if (q.isError && !q.data) return <Card label="Creators"><ErrorState error={q.error} what="Creators could not be read" retry={() => void q.refetch()} /></Card>
  if (!q.data) return <Card label="Creators"><SkeletonRows rows={8} height={20} /></Card>
  if (q.data.creators.length === 0) return <Card label="Creators"><EmptyState icon="agents" title="No creator databases were found" action={<Link href="/knowledge?tab=scans">To the scans</Link>}>They are read from the folders of <code className="mono">knowledge.roots</code> with the next scan.</EmptyState></Card>
  return (
    <>
      <TextInput size="xs" maw={280} placeholder="Search creators" aria-label="Search creators" value={text} data-search leftSection={<Icon name="search" size={14} />}
        onChange={(e) => set({ name: e.currentTarget.value })} />
      {rows.length === 0 ? <Card label="Creators"><EmptyState icon="search" title="No creator matches" action={<Button size="xs" variant="default" onClick={() => set({ name: null })}>Show all</Button>}>Names, handles, what they are about and their categories are looked at.</EmptyState></Card> : tiers.map((tier) => {
        const list = rows.filter((c) => c.priority === tier)
        return list.length === 0 ? null : (
          <Card key={tier} title={tier ? `${tier[0]!.toUpperCase()}${tier.slice(1)} priority` : 'Without a tier'} flush side={<span className="num">{list.length}</span>}>
            <ul className={s.creators}>{list.map((c) => <Person key={c.id} creator={c} />)}</ul>
          </Card>
        )
      })}
    </>
  )
}
