import { Suspense } from 'react'
import { Route, Switch } from 'wouter'
import { EmptyState, SkeletonRows, Page, Card } from './components/ui'
import { Toasts } from './components/toasts'
import { Boundary } from './shell/Boundary'
import { Gate } from './pages/login/Gate'
import { Shell } from './shell/Shell'
import { PAGES } from './pages'

function NotFound() {
  return (
    <Page title="Not found">
      <Card><EmptyState icon="search" title="There is no page at this address" action={<a href="/">To the overview</a>}>It may have been moved, or the address is misspelt.</EmptyState></Card>
    </Page>
  )
}

export function App() {
  return (
    <>
      <Gate><Shell>
        <Suspense fallback={<SkeletonRows rows={8} />}>
          <Switch>
            {PAGES.filter((p) => p.page).map((p) => (
              <Route key={p.id} path={p.path}><Boundary key={p.id}>{p.page ? <p.page /> : null}</Boundary></Route>
            ))}
            <Route><NotFound /></Route>
          </Switch>
        </Suspense>
      </Shell></Gate>
      <Toasts />
    </>
  )
}
