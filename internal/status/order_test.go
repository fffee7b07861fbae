package status

import (
	"fmt"
	"slices"
	"testing"
)

// TestOrder: peers that are the same by what they are sorted by stay in the order of
// the file, also where there are many.
func TestOrder(t *testing.T) {
	s := &Snapshot{Interfaces: []Interface{{Name: "wg0"}, {Name: "wg1"}}}
	word := []State{Connected, "a state of later", Stale}
	var want []string
	for n := range 300 {
		i := &s.Interfaces[n%2]
		i.Peers = append(i.Peers, Peer{Name: "laptop", Section: fmt.Sprint(n), State: word[n/2%3]})
	}
	for _, rank := range []int{2, 0, 1} {
		for n := range s.Interfaces {
			for _, p := range s.Interfaces[n].Peers {
				if p.State == word[rank] {
					want = append(want, p.Section)
				}
			}
		}
	}
	var got []string
	chosen, _ := s.choose(&Query{Sort: SortState})
	for _, r := range chosen {
		got = append(got, s.peer(r).Section)
	}
	if !slices.Equal(got, want) {
		t.Errorf("sorted by state: %v\nwant %v", got, want)
	}

	var peers []*Peer
	for n := range s.Interfaces[0].Peers {
		peers = append(peers, &s.Interfaces[0].Peers[n])
	}
	got = nil
	for _, p := range byRank(peers) {
		got = append(got, p.Section)
	}
	want = slices.DeleteFunc(want, func(section string) bool {
		return !slices.ContainsFunc(peers, func(p *Peer) bool { return p.Section == section })
	})
	if !slices.Equal(got, want) {
		t.Errorf("listed: %v\nwant %v", got, want)
	}
}
