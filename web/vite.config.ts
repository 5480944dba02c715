/// <reference types="vitest/config" />
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

// The theme is set before the first paint by a small classic script in the head: a module would run after it, and an inline
// script is not allowed by the page's policy. It is a file of its own with its content's hash in its name.
function themeScript(): Plugin {
  const source = readFileSync('src/theme-early.js', 'utf8')
  const file = `assets/theme-${createHash('sha256').update(source).digest('hex').slice(0, 8)}.js`
  return {
    name: 'theme-script',
    apply: 'build',
    // After Vite has looked for scripts to bundle: this one stays as it is.
    transformIndexHtml: { order: 'post', handler: () => [{ tag: 'script', attrs: { src: `/${file}` }, injectTo: 'head-prepend' }] },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: file, source })
    },
  }
}

export default defineConfig({
  base: '/',
  plugins: [react(), themeScript()],
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
