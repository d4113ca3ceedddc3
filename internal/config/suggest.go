package config

import (
	"fmt"
	"slices"
	"strings"
)

// nearest gives the known word that was probably meant, or "".
func nearest(word string, known []string) string {
	const longest = 64  // nobody mistypes more
	const looked = 2000 // so that many problems among many names stay cheap
	if len(word) > longest {
		return ""
	}
	best, least := "", 1+min(2, len(word)/2)
	for _, k := range known[:min(len(known), looked)] {
		if len(k) > longest {
			continue
		}
		if len(word) > 2 && strings.HasPrefix(k, word) {
			return k
		}
		if n := edits(strings.ToLower(word), k, least); n < least {
			best, least = k, n
		}
	}
	return best
}

// edits counts the letters to insert, delete or replace between two words; most
// or more is most.
func edits(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0] // the row above, one to the left
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return min(row[len(b)], most)
}

// knownNames lists names for the text of a problem, the likely one before all.
func knownNames(word string, names []string) string {
	const most = 8
	if len(names) == 0 {
		return "there is none"
	}
	if like := nearest(word, names); like != "" {
		return fmt.Sprintf("did you mean %s?", like)
	}
	names = slices.Sorted(slices.Values(names))
	if len(names) <= most {
		return "known: " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("known: %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
