/// <reference types="vitest/config" />
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { DEFAULT_THEME, convertCssVariables, defaultCssVariablesResolver, mergeMantineTheme } from '@mantine/core'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'
import { cssVariables, theme } from './src/theme'

type Bundle = Record<string, { type: string; fileName: string; facadeModuleId?: string | null; imports?: string[]; isEntry?: boolean; viteMetadata?: { importedCss: Set<string> } }>

// Two things happen before the page's script has arrived: the theme is set, because a module would run after the first paint, and
// what the page of this path needs besides (its files, and the answers of early.json) is asked for, because the script would ask late. An inline script is not allowed by the
// page's policy, so it is a file of its own with its content's hash in its name.
function earlyScript(): Plugin {
  const routes: Record<string, string> = JSON.parse(readFileSync('src/routes.json', 'utf8'))
  const asks: Record<string, string[]> = JSON.parse(readFileSync('src/early.json', 'utf8'))
  const closure = (bundle: Bundle, name: string, seen = new Set<string>()): Set<string> => {
    if (!seen.has(name) && bundle[name]) {
      seen.add(name)
      for (const next of bundle[name].imports ?? []) closure(bundle, next, seen)
    }
    return seen
  }
  const filesOf = (bundle: Bundle, id: string): string[] => {
    const chunks = Object.values(bundle).filter((c) => c.type === 'chunk')
    const page = chunks.find((c) => c.facadeModuleId?.endsWith(`/pages/${id}/${id[0]!.toUpperCase()}${id.slice(1)}.tsx`))
    if (!page) return []
    const there = new Set(chunks.filter((c) => c.isEntry).flatMap((c) => [...closure(bundle, c.fileName)]))
    const more = [...closure(bundle, page.fileName)].filter((name) => !there.has(name))
    return [...new Set([...more, ...more.flatMap((name) => [...(bundle[name]!.viteMetadata?.importedCss ?? [])])])]
  }
  const script = (bundle: Bundle) => {
    const pages = Object.entries(routes).map(([id, path]) => [path.replace(/:\w+/g, '[^/]+'), filesOf(bundle, id), asks[id] ?? []] as const).filter(([, files]) => files.length > 0)
    if (pages.length === 0) throw new Error('early script: no page was found in the bundle')
    const source = readFileSync('src/early.js', 'utf8').replace('PAGES', JSON.stringify(pages)).replace('EVERYWHERE', JSON.stringify(asks['']))
    return { source, file: `assets/early-${createHash('sha256').update(source).digest('hex').slice(0, 8)}.js` }
  }
  return {
    name: 'early-script',
    apply: 'build',
    transformIndexHtml: { order: 'post', handler: (_html, context) => [{ tag: 'script', attrs: { src: `/${script(context.bundle as unknown as Bundle).file}` }, injectTo: 'head-prepend' }] },
    generateBundle: { order: 'post', handler(_options, bundle) {
      const { source, file } = script(bundle as unknown as Bundle)
      this.emitFile({ type: 'asset', fileName: file, source })
    } },
  }
}

// uPlot asks for the number format and the time zone of the user when it is loaded: the first such question takes a browser 50 to
// 100 ms. Our charts never need the format and are all in the user's zone, which it knows as none.
function lateLocale(): Plugin {
  const changes = [
    ["new Intl.NumberFormat(domEnv ? nav.language : 'en-US')", (made: string) => `{ format: (v) => ${made}.format(v) }`],
    ['new Intl.DateTimeFormat().resolvedOptions().timeZone', () => 'undefined'],
  ] as const
  return {
    name: 'late-locale',
    transform(code, id) {
      if (!id.endsWith('/uPlot.esm.js')) return null
      for (const [made, late] of changes) {
        if (!code.includes(made)) throw new Error(`late locale: uPlot has no ${made} any more`)
        code = code.replace(made, late(made))
      }
      return { code, map: null }
    },
  }
}

// Mantine computes some four hundred variables from the theme, which is always the same: they are part of the styles, not made anew
// by each visit.
function themeVariables(): Plugin {
  const given = mergeMantineTheme(DEFAULT_THEME, theme)
  const [base, ours] = [defaultCssVariablesResolver(given), cssVariables(given)]
  const css = convertCssVariables({
    variables: { ...base.variables, ...ours.variables },
    light: { ...base.light, ...ours.light, '--mantine-color-scheme': 'light' },
    dark: { ...base.dark, ...ours.dark, '--mantine-color-scheme': 'dark' },
  }, ':root')
  let put = false
  return {
    name: 'theme-variables',
    enforce: 'pre',
    transform(code, id) {
      if (!id.endsWith('/styles/mantine.css')) return null
      put = true
      return { code: code + css, map: null }
    },
    buildEnd(error) { if (!error && !put && this.meta.watchMode === false) throw new Error('theme variables: there is no styles/mantine.css any more') },
  }
}

export default defineConfig({
  base: '/',
  plugins: [react(), themeVariables(), earlyScript(), lateLocale()],
  server: { proxy: { '/api': { target: process.env.CC_URL ?? 'http://127.0.0.1:8080', ws: true } } },
  build: {
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0, // data: URLs are not allowed by the page's policy
    modulePreload: { polyfill: false },
    cssCodeSplit: true,
    reportCompressedSize: false,
    emptyOutDir: true,
    manifest: true,
  },
  test: { environment: 'node', testTimeout: 120_000, include: ['src/**/*.test.{ts,tsx}', 'bench/*.test.mjs'] },
})
