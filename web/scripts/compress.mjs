// Turns the build's output into what embed.go serves: each file as .br and .gz (the gzip form stands for clients without
// either: the server unpacks it), nothing twice, no manifest. Deterministic: zlib writes no time into its header.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const dist = new URL('../dist/', import.meta.url).pathname
for (const file of readdirSync(join(dist, 'assets'))) {
  const path = join(dist, 'assets', file)
  const body = readFileSync(path)
  writeFileSync(path + '.br', brotliCompressSync(body, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
  }))
  const packed = gzipSync(body, { level: 9 })
  packed[9] = 255 // the system that packed it: unknown, so that every system writes the same
  writeFileSync(path + '.gz', packed)
  rmSync(path)
}
