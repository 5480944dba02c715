// The table of pages. A page is one file with a default export, one line here, and its path in routes.json (which the server
// reads too). A page without `load` is not built yet: it is in no navigation and its address says so.
import { lazy, useState, type ComponentType } from 'react'
import type { QueryClient } from '@tanstack/react-query'
import type { IconName } from './components/icons'
import routes from './routes.json'

type Module = { default: ComponentType; ahead?: (c: QueryClient) => Promise<unknown> }
export type PageRow = {
  id: keyof typeof routes
  path: string
  title: string
  icon: IconName
  key?: string // `g` and this letter go there
  nav: boolean // has a place in the navigation
  page?: ComponentType
  load?: () => Promise<Module>
}

// Pages that are loaded: drawn at once. A page that React waits for is drawn 300 ms after its placeholder at the earliest.
const loaded = new Map<() => Promise<Module>, ComponentType>()

function pageOf(load: () => Promise<Module>): ComponentType {
  const Later = lazy(load)
  return function LoadedPage() {
    const [Page] = useState<ComponentType>(() => loaded.get(load) ?? Later) // the same for as long as it is shown
    return <Page />
  }
}

/** Loads the page of a path, if there is one, and with a client what it shows first, so that it can be drawn at once. What fails is tried again when it is drawn. */
export async function loadPage(path: string, client?: QueryClient): Promise<void> {
  const load = PAGES.find((p) => new RegExp(`^${p.path.replace(/:\w+/g, '[^/]+')}/?$`).test(path))?.load
  if (!load || loaded.has(load)) return
  try {
    const page = await load()
    loaded.set(load, page.default)
    if (client) await page.ahead?.(client)
  } catch { /* its place on the page says so */ }
}

function row(id: keyof typeof routes, title: string, icon: IconName, key: string | undefined, nav: boolean, load?: () => Promise<Module>): PageRow {
  return { id, path: routes[id], title, icon, key, nav: nav && load !== undefined, page: load && pageOf(load), load }
}

export const PAGES: PageRow[] = [
  row('overview', 'Overview', 'overview', 'o', true, () => import('./pages/overview/Overview')),
  row('services', 'Services', 'services', 's', true, () => import('./pages/services/Services')),
  row('service', 'Service', 'services', undefined, false, () => import('./pages/service/Service')),
  row('jobs', 'Jobs', 'jobs', 'j', true, () => import('./pages/jobs/Jobs')),
  row('processes', 'Processes', 'processes', 'p', true, () => import('./pages/processes/Processes')),
  row('ports', 'Ports', 'ports', 't', true, () => import('./pages/ports/Ports')),
  row('knowledge', 'Knowledge', 'knowledge', 'k', true, () => import('./pages/knowledge/Knowledge')),
  row('agents', 'Agents & usage', 'agents', 'u', true, () => import('./pages/agents/Agents')),
  row('alerts', 'Alerts', 'alerts', 'a', true, () => import('./pages/alerts/Alerts')),
  row('settings', 'Settings', 'settings', 'e', true, () => import('./pages/settings/Settings')),
  row('login', 'Log in', 'login', undefined, false),
]

export const NAV = PAGES.filter((p) => p.nav)

/** Whether a page is built: links to others are not drawn. */
export const built = (id: keyof typeof routes) => PAGES.some((p) => p.id === id && p.page !== undefined)

/** The address of a page; names are escaped. */
export function href(id: keyof typeof routes, parameters: Record<string, string> = {}): string {
  return routes[id].replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''))
}
