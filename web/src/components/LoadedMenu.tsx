// The menu of a MenuButton, open.
import { Menu } from '@mantine/core'
import { Link } from 'wouter'
import { Icon } from './icons'
import type { MenuButtonProps, MenuEntry } from './MenuButton'

function Entry({ label, icon, checked, href, onClick }: MenuEntry) {
  const sides = { leftSection: <Icon name={icon} size={16} />, rightSection: checked ? <Icon name="check" size={14} /> : null }
  return href ? <Menu.Item component={Link} href={href} {...sides}>{label}</Menu.Item> : <Menu.Item onClick={onClick} {...sides}>{label}</Menu.Item>
}

export function LoadedMenu({ button, title, entries, position, width }: MenuButtonProps) {
  return (
    <Menu defaultOpened position={position} width={width}>
      <Menu.Target>{button}</Menu.Target>
      <Menu.Dropdown>
        {title ? <Menu.Label>{title}</Menu.Label> : null}
        {entries.map((e) => <Entry key={e.label} {...e} />)}
      </Menu.Dropdown>
    </Menu>
  )
}
