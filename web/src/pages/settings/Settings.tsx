// Settings: the configuration in force, who may do what, who did what, the state as a file.
import { Sections, useSection } from '../../components/sections'
import { Page } from '../../components/ui'
import { About } from './About'
import { Audit } from './Audit'
import { Config } from './Config'
import { Keys } from './Keys'
import { Users } from './Users'

const ITEMS = [
  { id: 'config', label: 'Configuration' }, { id: 'keys', label: 'API keys' }, { id: 'users', label: 'Users' }, { id: 'audit', label: 'Audit' }, { id: 'about', label: 'Backup and about' },
]

export default function Settings() {
  const current = useSection(ITEMS)
  return (
    <Page title="Settings">
      <Sections label="Parts of the settings" items={ITEMS} current={current} />
      {current === 'keys' ? <Keys /> : current === 'users' ? <Users /> : current === 'audit' ? <Audit /> : current === 'about' ? <About /> : <Config />}
    </Page>
  )
}
