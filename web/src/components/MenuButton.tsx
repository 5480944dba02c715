// A button whose menu is loaded when it is first wanted: its parts would be a sixth of what the first page loads.
import { cloneElement, useState, type ComponentType, type ReactElement, type Ref } from 'react'
import type { IconName } from './icons'
import { toast } from './toasts'

export type MenuEntry = { label: string; icon: IconName; checked?: boolean; href?: string; onClick?: () => void }
type ButtonProps = { ref?: Ref<HTMLButtonElement>; title?: string; 'aria-haspopup'?: 'menu'; 'aria-expanded'?: boolean; onClick?: () => void; onPointerEnter?: () => void }
export type MenuButtonProps = { button: ReactElement<ButtonProps>; title?: string; entries: MenuEntry[]; position: 'bottom-end' | 'top-end'; width: number }

export function MenuButton(p: MenuButtonProps) {
  const [Loaded, setLoaded] = useState<ComponentType<MenuButtonProps> | null>(null)
  if (Loaded) return <Loaded {...p} />
  const load = () => import('./LoadedMenu')
  return cloneElement(p.button, {
    'aria-haspopup': 'menu', 'aria-expanded': false,
    onPointerEnter: () => void load().catch(() => {}),
    onClick: () => load().then((m) => setLoaded(() => m.LoadedMenu), (e: unknown) => toast.failed('The menu was not loaded', e)),
  })
}
