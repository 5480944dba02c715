// Lets in who may look, and asks the others for a name. Where no login is needed it is not seen.
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { send } from '../../api/rest'
import { live } from '../../live/store'
import { codeOf, meQuery, refused, sessionCall } from './queries'

const Login = lazy(() => import('./Login'))

export function Gate({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const [code] = useState(() => codeOf(location.hash))
  const [taking, setTaking] = useState(code !== null)
  const [fault, setFault] = useState<unknown>(null)
  const me = useQuery({ ...meQuery, enabled: !taking })

  const taken = useRef(false)
  useEffect(() => {
    if (code === null || taken.current) return
    taken.current = true // it can be taken once
    history.replaceState(null, '', location.pathname + location.search)
    send(sessionCall({ code })).catch(setFault).finally(() => {
      setTaking(false)
      live.hurry()
    })
  }, [code])

  useEffect(() => client.getQueryCache().subscribe((e) => { // a session that ended is noticed by whatever is asked next
    if (e.type === 'updated' && e.action.type === 'error' && e.query.queryKey[0] !== 'me' && refused(e.action.error)) void client.invalidateQueries({ queryKey: meQuery.queryKey })
  }), [client])

  if (taking || code !== null && me.isPending) return null // what the page asks now might be refused
  if (refused(me.error)) return <Suspense><Login fault={fault} /></Suspense>
  return children
}
