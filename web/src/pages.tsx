// The table of pages. A page is one file with a default export, one line here, and its path in routes.json (which the server
// reads too). A page without `load` is not built yet: it is in no navigation and its address says so.
import { lazy, type ComponentType, type LazyExoticComponent } from 'react'
import type { IconName } from './components/icons'
import routes from './routes.json'

type Module = { default: ComponentType }
export type PageRow = {
  id: keyof typeof routes
  path: string
  title: string
  icon: IconName
  key?: string // `g` and this letter go there
  nav: boolean // has a place in the navigation
  page?: LazyExoticComponent<ComponentType>
}

function row(id: keyof typeof routes, title: string, icon: IconName, key: string | undefined, nav: boolean, load?: () => Promise<Module>): PageRow {
  return { id, path: routes[id], title, icon, key, nav: nav && load !== undefined, page: load && lazy(load) }
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
