// The pages that checks of all pages and screenshots go through: address, and what must be in sight before one looks. A new
// page is a new line here.
export const PAGES = [
  { name: 'overview', path: '/', ready: (page) => page.locator('[data-testid="numbers"]').and(page.locator(':has-text("running")')).waitFor() },
  { name: 'services', path: '/services', ready: (page) => page.getByText('Steady demo').first().waitFor() },
  { name: 'service', path: '/services/demo-lines', ready: (page) => page.getByRole('log').getByText('xxxx').first().waitFor() },
  { name: 'jobs', path: '/jobs', ready: (page) => page.getByText('every day at 03:00').first().waitFor() },
  { name: 'processes', path: '/processes', ready: (page) => page.getByText('controlcenter').first().waitFor() },
  { name: 'ports', path: '/ports?range=all', ready: (page) => page.getByText('demo-steady').first().waitFor() },
  { name: 'knowledge', path: '/knowledge', ready: (page) => page.getByTestId('hits').waitFor() },
  { name: 'alerts', path: '/alerts', ready: (page) => page.getByText(/All is quiet|Firing/).first().waitFor() },
  { name: 'settings', path: '/settings', ready: (page) => page.getByText('web.listen_addresses').first().waitFor() },
  { name: 'agents', path: '/agents', ready: (page) => page.getByText('Art Director').first().waitFor() },
]
