// Alerts: what fires, by which rules, whom it is told through which channels, and what is kept quiet.
import { useQuery } from '@tanstack/react-query'
import { Sections, useSection } from '../../components/sections'
import { Page } from '../../components/ui'
import { Active } from './Active'
import { Channels } from './Channels'
import { Deliveries } from './Deliveries'
import { Mutes } from './Mutes'
import { alertRows, channelsOf, mutesOf } from './queries'
import { Rules } from './Rules'

export default function Alerts() {
  const alerts = useQuery(alertRows)
  const mutes = useQuery(mutesOf)
  const channels = useQuery(channelsOf)
  const firing = alerts.data?.firing
  const items = [
    { id: 'alerts', label: 'Alerts', count: firing, bad: true },
    { id: 'deliveries', label: 'Deliveries' },
    { id: 'channels', label: 'Channels', count: channels.data?.channels.length },
    { id: 'mutes', label: 'Mutes', count: mutes.data?.mutes.length },
    { id: 'rules', label: 'Rules' },
  ]
  const current = useSection(items)
  return (
    <Page title="Alerts" note={firing === undefined ? undefined : firing === 0 ? 'nothing fires' : `${firing} firing`}>
      <Sections label="Parts of alerts" items={items} current={current} />
      {current === 'rules' ? <Rules /> : current === 'channels' ? <Channels /> : current === 'mutes' ? <Mutes /> : current === 'deliveries' ? <Deliveries /> : <Active />}
    </Page>
  )
}
