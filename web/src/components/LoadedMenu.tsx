// The menu of a MenuButton. It opens once it is there, from its button, so that the focus finds back to that.
import { cloneElement, useEffect, useRef, useState } from 'react'
import { Menu } from '@mantine/core'
import { Link } from 'wouter'
import { Icon } from './icons'
import type { MenuButtonProps, MenuEntry } from './MenuButton'

function Entry({ label, icon, checked, href, onClick }: MenuEntry) {
  const sides = { leftSection: <Icon name={icon} size={16} />, rightSection: checked ? <Icon name="check" size={14} /> : null }
  return href ? <Menu.Item component={Link} href={href} {...sides}>{label}</Menu.Item> : <Menu.Item onClick={onClick} {...sides}>{label}</Menu.Item>
}

export function LoadedMenu({ button, title, entries, position, width }: MenuButtonProps) {
  const [opened, setOpened] = useState(false)
  const target = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    target.current?.focus({ preventScroll: true })
    setOpened(true)
  }, [])
  return (
    <Menu opened={opened} onChange={setOpened} position={position} width={width}>
      <Menu.Target>{cloneElement(button, { ref: target })}</Menu.Target>
      <Menu.Dropdown>
        {title ? <Menu.Label>{title}</Menu.Label> : null}
        {entries.map((e) => <Entry key={e.label} {...e} />)}
      </Menu.Dropdown>
    </Menu>
  )
}
