// Who is logged in, and the way out: only where there is a session.
import { ActionIcon, Menu, Tooltip } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { send } from '../../api/rest'
import { Icon } from '../../components/icons'
import { toast } from '../../components/toasts'
import { logoutCall, meQuery } from './queries'

export function Account() {
  const me = useQuery(meQuery)
  const logout = useMutation({ mutationFn: () => send(logoutCall), onSuccess: () => location.assign('/'), onError: (e) => toast.failed('You are still logged in', e) })
  if (me.data?.method !== 'session') return null
  return (
    <Menu position="bottom-end" width={200}>
      <Menu.Target><Tooltip label={`${me.data.username}, ${me.data.access}`}><ActionIcon variant="subtle" color="gray" aria-label="Account"><Icon name="agents" /></ActionIcon></Tooltip></Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.data.username}, {me.data.access}</Menu.Label>
        <Menu.Item leftSection={<Icon name="login" size={16} />} onClick={() => logout.mutate()}>Log out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
