package config

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest returns the known word that was probably meant. That is the one that word begins, or else the one with the
// fewest slips, at most one in three letters. It returns "" when none is near. Case does not matter.
func Nearest(word string, known []string) string {
	const tried = 2000  // so that many problems among many names stay cheap
	const mostSlips = 3 // more of them make another word
	if len(word) > longestWord {
		return ""
	}
	word = strings.ToLower(word)
	best, bound := "", 1+min(mostSlips, (len(word)+1)/3)
	for _, k := range known[:min(len(known), tried)] {
		if len(k) > longestWord {
			continue
		}
		lower := strings.ToLower(k)
		if len(word) > 2 && strings.HasPrefix(lower, word) {
			return k
		}
		if n := slips(word, lower, bound); n < bound {
			best, bound = k, n
		}
	}
	return best
}

// longestWord is as many bytes as a word has at most that was mistyped.
const longestWord = 64

// slips counts the letters to insert, delete, replace or swap with their neighbour to turn a into b. It returns most
// for that many or more. Both are at most longestWord.
func slips(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	var rows [3][longestWord + 1]int
	before, last, row := rows[0][:len(b)+1], rows[1][:len(b)+1], rows[2][:len(b)+1]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
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
	if like := Nearest(word, names); like != "" {
		return fmt.Sprintf("did you mean %s?", like)
	}
	names = slices.Sorted(slices.Values(names))
	if len(names) <= most {
		return "known: " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("known: %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
