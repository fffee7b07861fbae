package rtnl

import (
	"slices"
	"testing"
)

// TestInsertRule: in the order in which the kernel looks rules up, whatever the one
// in which they come; the same priority stays as it comes.
func TestInsertRule(t *testing.T) {
	four, again, last := Rule{Priority: 10, Table: 1}, Rule{Priority: 10, Table: 2}, Rule{Priority: 32766, Table: 254}
	six := Rule{IPv6: true, Priority: 5, Table: 3}
	want := []Rule{four, again, last, six}
	for _, order := range [][]Rule{{four, again, last, six}, {six, last, four, again}, {four, six, again, last}} {
		var got []Rule
		for _, r := range order {
			got = insertRule(got, r)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v became %v, want %v", order, got, want)
		}
	}
}
