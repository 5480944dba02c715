// Where the keyboard is after a dialog was closed.
import { useEffect, useRef } from 'react'

/** What a dialog is opened from: for an entry of a menu, which goes away with it, the button of the menu. */
function opener(): HTMLElement | null {
  const now = document.activeElement
  const menu = now?.closest('[role="menu"]')
  const found = menu?.id ? document.querySelector(`[aria-controls="${CSS.escape(menu.id)}"]`) : now
  return found instanceof HTMLElement && found !== document.body ? found : null
}

const AFTER = 30 // ms: after the dialog's own try, which knows neither menus nor dialogs that begin open

/** Gives the focus back to what opened a dialog when that is closed or gone. */
export function useReturnFocus(open: boolean) {
  const before = useRef<HTMLElement | null>(null)
  const was = useRef(false)
  if (open && !was.current) before.current = opener() // while it is drawn: its parts take the focus before any effect runs here
  was.current = open
  useEffect(() => {
    if (!open) return
    return () => {
      const to = before.current
      setTimeout(() => {
        const now = document.activeElement
        const lost = now === null || now === document.body || now.closest('[role="dialog"], [role="menu"]') !== null
        if (lost && to?.isConnected) to.focus({ preventScroll: true })
      }, AFTER)
    }
  }, [open])
}
