// The knowledge base: search, files, what waits for a decision, creators, scans.
import { useQuery } from '@tanstack/react-query'
import { useAddress } from '../../components/address'
import { Sections, useSection } from '../../components/sections'
import { Page } from '../../components/ui'
import { Bytes } from '../../components/values'
import { number } from '../../format'
import { Creators } from './Creators'
import { FileView } from './FileView'
import { reviewsOf, statsOf } from './queries'
import { Scans } from './Scans'
import { Search } from './Search'
import { ToReviewList } from './ToReview'

export default function Knowledge() {
  const { get } = useAddress()
  const stats = useQuery(statsOf)
  const waiting = useQuery(reviewsOf)
  const items = [
    { id: 'search', label: 'Search' },
    { id: 'review', label: 'To review', count: waiting.data?.count },
    { id: 'creators', label: 'Creators', count: stats.data?.total_creators },
    { id: 'scans', label: 'Scans' },
  ]
  const current = useSection(items)
  const file = get('file')
  const st = stats.data
  return (
    <Page title="Knowledge" note={st ? <>{number(st.total_files)} files, {number(st.total_insights)} insights, <Bytes value={st.total_size_bytes} /></> : undefined}>
      <Sections label="Parts of the knowledge base" items={items} current={current} />
      {file ? <FileView key={file} id={file} /> : current === 'review' ? <ToReviewList /> : current === 'creators' ? <Creators /> : current === 'scans' ? <Scans /> : <Search />}
    </Page>
  )
}
