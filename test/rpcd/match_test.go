package rpcd

import "testing"

// What the C library's fnmatch answers with FNM_NOESCAPE.
func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"*", "", true},
		{"*", ".a/b", true},
		{"a*", "a", true},
		{"a*c*e", "abcde", true},
		{"a*c*e", "abcdef", false},
		{"*ab", "aaab", true},
		{"**", "x", true},
		{"a**", "a", true},
		{"?", "", false},
		{"?", "/", true},
		{"[abc]", "b", true},
		{"[!abc]", "b", false},
		{"[^abc]", "d", true},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[]a]", "]", true},
		{"[!]a]", "b", true},
		{"[a-]", "-", true},
		{"[a", "[a", true},
		{"[", "[", true},
		{"[!", "[!", true},
		{`\*`, `\x`, true},
		{"*[a-c]*", "xxbxx", true},
	} {
		if got := match(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
}
