// Keys for the whole application: `/` search, `g` and a letter to go, `?` help. They are off while one types.
import { useEffect } from 'react'

export const isTyping = (t: EventTarget | null) =>
  t instanceof HTMLElement && (t.isContentEditable || /^(input|textarea|select)$/i.test(t.tagName))

export type Keys = { go: (letter: string) => boolean; help: () => void }

/** Focuses the page's search field; pages mark theirs with data-search. */
export function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>('main [data-search]')
  field?.focus()
  field?.select()
  return field !== null
}

const TOGETHER = 1200 // ms between g and the letter

export function useKeys(keys: Keys) {
  useEffect(() => {
    let since = 0
    const on = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || isTyping(e.target)) return
      if (document.querySelector('[role="dialog"]')) return
      if (e.timeStamp - since < TOGETHER && since > 0) {
        since = 0
        if (keys.go(e.key)) e.preventDefault()
        return
      }
      if (e.key === 'g') since = e.timeStamp
      else if (e.key === '/' && focusSearch()) e.preventDefault()
      else if (e.key === '?') keys.help()
    }
    addEventListener('keydown', on)
    return () => removeEventListener('keydown', on)
  }, [keys])
}
