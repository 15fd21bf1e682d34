// Package spelling finds the name that somebody likely meant.
package spelling

import "strings"

// maxName is the longest name that is compared, in letters: comparing takes as long as the lengths of both multiplied.
const maxName = 64

// Nearest gives the first of known that is nearest to name, whatever the case of letters, if one is near enough to have been
// meant.
func Nearest(name string, known []string) (nearest string, ok bool) {
	letters := []rune(strings.ToLower(name))
	if len(letters) > maxName {
		return "", false
	}
	best := len(letters)/3 + 2
	for _, k := range known {
		other := []rune(strings.ToLower(k))
		if more := len(other) - len(letters); more >= best || -more >= best {
			continue // as many must be inserted or removed at least
		}
		if d := distance(letters, other); d < best {
			nearest, best = k, d
		}
	}
	return nearest, nearest != ""
}

// distance counts the letters to insert, remove or replace to make b of a.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
