package sidecar

import "fmt"

// Nearest gives the known word that was probably meant, or nothing if none is
// near: at most one slip in three letters.
func Nearest(word string, known []string) string {
	best, bound := "", len(word)/3+1
	for _, k := range known {
		if d := slips(word, k); d < bound {
			best, bound = k, d
		}
	}
	return best
}

// perhaps is Nearest as the end of a sentence.
func perhaps(word string, known []string) string {
	if n := Nearest(word, known); n != "" {
		return fmt.Sprintf(" (perhaps %s)", n)
	}
	return ""
}

// slips counts the letters to insert, drop, change or swap with their neighbour
// to turn a into b.
func slips(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(last[j]+same, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
