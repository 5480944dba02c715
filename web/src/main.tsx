import { MantineProvider } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { forgetAsked } from './api/early'
import { App } from './App'
import { live, runLive } from './live/store'
import { loadPage } from './pages'
import { codeOf, meQuery } from './pages/login/queries'
import { infoQuery, queryClient } from './queries'
import { schemeManager } from './shell/theme'
import { theme } from './theme'
import './styles/mantine.css'
import './styles/tokens.css'

Error.stackTraceLimit = 10

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? ''

live.onEvents = () => void queryClient.invalidateQueries({ queryKey: ['events'] })
runLive()

// With its page and what that shows in it the first picture is whole, and is made once. A network that takes longer is not waited for.
const mayAsk = codeOf(location.hash) === null // else not before the code was taken
const ahead = mayAsk ? [loadPage(location.pathname, queryClient), queryClient.prefetchQuery(infoQuery), queryClient.prefetchQuery(meQuery)] : [loadPage(location.pathname)]
const patience = new Promise((go) => setTimeout(go, 300))
void Promise.all(ahead).finally(forgetAsked)
void Promise.race([Promise.all(ahead), patience]).then(() => {
  createRoot(document.getElementById('root')!).render(
    <StrictMode>
      <MantineProvider theme={theme} withCssVariables={false} withGlobalClasses={false} defaultColorScheme="auto" colorSchemeManager={schemeManager} getStyleNonce={() => nonce}>
        <QueryClientProvider client={queryClient}>
          <App />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  )
})
