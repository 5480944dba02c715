// Package rig is what the benchmarks share: it starts the programs that are measured, reads their CPU time and memory from
// /proc, reads expositions, and writes results into a section of a Markdown file. It compiles everywhere and measures on
// Linux. Nothing here is used by the product.
package rig
