package rpcd

import "strings"

// match is the C library's fnmatch as session.c calls it: * and ? match any
// character, the slash and a leading dot too, [...] one of a set ([!...] and
// [^...] any other), and a backslash is a character like others. Character
// classes ([[:alpha:]]) are not there.
func match(pattern, s string) bool {
	// The last star, and where what it matches ends for now.
	star, end := -1, 0
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			star, end = p, i
			p++
			continue
		}
		if n := matchOne(pattern[p:], s[i]); n > 0 {
			p += n
			i++
			continue
		}
		if star < 0 {
			return false
		}
		end++
		p, i = star+1, end
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchOne returns the length of the pattern's first item if it matches c,
// otherwise 0.
func matchOne(pattern string, c byte) int {
	if pattern == "" {
		return 0
	}
	switch {
	case pattern[0] == '?':
		return 1
	case pattern[0] == '[':
		if set, n := splitSet(pattern); n > 0 {
			if inSet(set, c) {
				return n
			}
			return 0
		}
	}
	if pattern[0] == c {
		return 1
	}
	return 0
}

// splitSet cuts [set] off; n is 0 if the bracket is never closed. A bracket
// that stands first in the set belongs to it.
func splitSet(pattern string) (set string, n int) {
	first := 1
	if len(pattern) > 1 && (pattern[1] == '!' || pattern[1] == '^') {
		first = 2
	}
	if first >= len(pattern) {
		return "", 0
	}
	i := strings.IndexByte(pattern[first+1:], ']')
	if i < 0 {
		return "", 0
	}
	n = first + 1 + i + 1
	return pattern[1 : n-1], n
}

func inSet(set string, c byte) bool {
	negate := set[0] == '!' || set[0] == '^'
	if negate {
		set = set[1:]
	}
	for len(set) > 0 {
		low, high := set[0], set[0]
		set = set[1:]
		if len(set) > 1 && set[0] == '-' {
			high, set = set[1], set[2:]
		}
		if low <= c && c <= high {
			return !negate
		}
	}
	return negate
}
