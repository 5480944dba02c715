// What stands around every page: navigation, host, connection, theme, keys.
import { lazy, Suspense, useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import { ActionIcon } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useLocation } from 'wouter'
import iconURL from '../icon.svg'
import { Icon, type IconName } from '../components/icons'
import { MenuButton } from '../components/MenuButton'
import { Since } from '../components/values'
import { clock, utc } from '../format'
import { useLive } from '../live/store'
import { loadPage, NAV, PAGES } from '../pages'
import { Account } from '../pages/login/Account'
import { infoQuery, queryClient } from '../queries'
import { useKeys } from './keys'
import { useTheme } from './theme'
import s from './shell.module.css'

export function Connection() {
  const connection = useLive((l) => l.connection)
  const heard = useLive((l) => (l.connection === 'lost' ? l.heard : null))
  const text = connection === 'live' ? 'live' : connection === 'connecting' ? 'connecting' : heard ? `connection lost, data from ${clock(new Date(heard))}` : 'no connection'
  return <span role="status" title={heard ? utc(new Date(heard)) : undefined} className={`${s.connection} ${connection === 'live' ? s.live : connection === 'lost' ? s.lost : ''}`}>{text}</span>
}

const THEMES = [['light', 'Light', 'sun'], ['dark', 'Dark', 'moon'], ['auto', 'As the system', 'auto']] as const

function ThemeSwitch() {
  const { choice, choose } = useTheme()
  const icon: IconName = choice === 'light' ? 'sun' : choice === 'dark' ? 'moon' : 'auto'
  const entries = THEMES.map(([id, label, name]) => ({ label, icon: name, checked: choice === id, onClick: () => choose(id) }))
  return <MenuButton position="bottom-end" width={180} entries={entries} button={<ActionIcon variant="subtle" color="gray" aria-label="Theme" title="Theme"><Icon name={icon} /></ActionIcon>} />
}

const Help = lazy(() => import('./Help')) // with its dialog: not part of the first load

/** Who points at a page is about to open it. */
const soon = (path: string) => {
  const load = () => void loadPage(path, queryClient)
  return { onPointerEnter: load, onFocus: load }
}

function NavLinks({ className }: { className?: string }) {
  const [path] = useLocation()
  const services = useLive((l) => l.services)
  const failed = services?.filter((x) => x.status === 'error') ?? []
  const jobs = failed.filter((x) => x.type === 'job').length
  const bad: Partial<Record<string, number>> = { services: failed.length - jobs, jobs } // each where its page has it
  return (
    <ul className={className}>
      {NAV.map((p) => {
        const here = p.path === '/' ? path === '/' : path === p.path || path.startsWith(p.path + '/')
        return (
          <li key={p.id}>
            <Link href={p.path} aria-current={here ? 'page' : undefined} title={p.title} {...soon(p.path)}>
              <Icon name={p.icon} />
              <span>{p.title}</span>
              {bad[p.id] ? <span className={s.count} data-bad>{bad[p.id]}<span className="hidden-text"> failed</span></span> : null}
            </Link>
          </li>
        )
      })}
    </ul>
  )
}

function BottomBar() {
  const [path] = useLocation()
  const first = NAV.slice(0, NAV.length > 5 ? 4 : 5)
  const rest = NAV.slice(first.length)
  const here = (p: string) => (p === '/' ? path === '/' : path === p || path.startsWith(p + '/'))
  return (
    <nav className={s.bottom} aria-label="Pages">
      {first.map((p) => <Link key={p.id} href={p.path} aria-current={here(p.path) ? 'page' : undefined}><Icon name={p.icon} size={20} />{p.title}</Link>)}
      {rest.length > 0 ? (
        <MenuButton position="top-end" width={200} entries={rest.map((p) => ({ label: p.title, icon: p.icon, href: p.path }))} button={<button type="button"><Icon name="menu" size={20} />More</button>} />
      ) : null}
    </nav>
  )
}

export function Shell({ children }: { children: ReactNode }) {
  const [path, go] = useLocation()
  const [help, setHelp] = useState(false)
  const main = useRef<HTMLElement>(null)
  const info = useQuery(infoQuery)
  const stale = useLive((l) => l.connection === 'lost')
  const keys = useMemo(() => ({
    go(letter: string) {
      const page = NAV.find((p) => p.key === letter)
      if (page) go(page.path)
      return page !== undefined
    },
    help: () => setHelp(true),
  }), [go])
  useKeys(keys)

  const first = useRef(true)
  const current = PAGES.find((p) => p.path === path)
  useEffect(() => {
    const host = info.data?.hostname
    document.title = [current?.title, host].filter(Boolean).join(' · ') || 'Control Center'
  }, [current, info.data?.hostname])
  useEffect(() => { // a new page: readers and Tab begin at its start
    if (first.current) first.current = false
    else {
      main.current?.focus({ preventScroll: true })
      scrollTo(0, 0)
    }
  }, [path])

  return (
    <div className={s.shell}>
      <a className={s.skip} href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus() }}>Skip to the content</a>
      <nav className={s.nav} aria-label="Pages">
        <Link href="/" className={s.brand!} aria-label="Control Center"><img src={iconURL} alt="" /><span>Control Center</span></Link>
        <NavLinks className={s.links} />
        <div className={s.foot}>
          <span><a href="/docs">API</a> · <a href="/metrics">Metrics</a></span>
          {info.data ? <span className="num">version {info.data.version}</span> : null}
        </div>
      </nav>
      <header className={s.top}>
        <div className={s.host}>
          <b>{info.data?.hostname ?? ' '}</b>
          {info.data ? <span>{info.data.os} · {info.data.arch} · up <Since at={new Date(info.data.boot_time! * 1000).toISOString()} /></span> : null}
        </div>
        <div className={s.tools}>
          <Connection />
          <span className={s.wide}><ActionIcon variant="subtle" color="gray" aria-label="Keys" title="Keys (?)" onClick={() => setHelp(true)}><Icon name="help" /></ActionIcon></span>
          <ThemeSwitch />
          <Account />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1} className={s.main} data-stale={stale || undefined}>{children}</main>
      <BottomBar />
      {help ? <Suspense><Help close={() => setHelp(false)} /></Suspense> : null}
    </div>
  )
}
