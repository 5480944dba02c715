// Who is logged in, and the way out: only where there is a session.
import { ActionIcon } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { send } from '../../api/rest'
import { Icon } from '../../components/icons'
import { MenuButton } from '../../components/MenuButton'
import { toast } from '../../components/toasts'
import { logoutCall, meQuery } from './queries'

export function Account() {
  const me = useQuery(meQuery)
  const logout = useMutation({ mutationFn: () => send(logoutCall), onSuccess: () => location.assign('/'), onError: (e) => toast.failed('You are still logged in', e) })
  if (me.data?.method !== 'session') return null
  const who = `${me.data.username}, ${me.data.access}`
  return (
    <MenuButton position="bottom-end" width={200} title={who} entries={[{ label: 'Log out', icon: 'login', onClick: () => logout.mutate() }]}
      button={<ActionIcon variant="subtle" color="gray" aria-label="Account" title={who}><Icon name="agents" /></ActionIcon>} />
  )
}
