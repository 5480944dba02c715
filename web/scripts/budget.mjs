// Fails when what a browser loads for the first page is more than 200 KB of gzip: the entry with all that it imports
// statically, the page of "/" with its own, their styles, the early script and the document.
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const limit = 200_000
const dist = new URL('../dist/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist)))
const files = new Set(readdirSync(new URL('assets/', dist)).filter((f) => f.startsWith('early-') && f.endsWith('.js.gz')).map((f) => `assets/${f.slice(0, -3)}`))
const visit = (key) => {
  const entry = manifest[key]
  if (files.has(entry.file)) return
  files.add(entry.file)
  for (const css of entry.css ?? []) files.add(css)
  for (const next of entry.imports ?? []) visit(next)
}
visit('index.html')
visit('src/pages/overview/Overview.tsx')
const size = (f) => statSync(new URL(`${f}.gz`, dist)).size
let total = gzipSync(readFileSync(new URL('index.html', dist))).length
for (const f of [...files].sort()) total += size(f)
console.log(`initial load: ${(total / 1000).toFixed(1)} KB gzip in ${files.size + 1} files (limit ${limit / 1000})`)
rmSync(new URL('.vite/', dist), { recursive: true })
if (total > limit) {
  for (const f of files) console.log(`${size(f)}\t${f}`)
  process.exit(1)
}
