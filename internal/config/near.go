package config

import "strings"

// nearest returns the candidate that word was probably meant to be, or "". A third of the letters may differ.
func nearest(word string, candidates []string) string {
	best, bestCost := "", 1+max(1, min(len(word), 64)/3)
	for _, c := range candidates {
		if abs(len(c)-len(word)) >= bestCost {
			continue
		}
		if cost := editDistance(strings.ToLower(word), strings.ToLower(c)); cost < bestCost {
			best, bestCost = c, cost
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// editDistance counts inserted, dropped, replaced and swapped neighbouring bytes between a and b.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
