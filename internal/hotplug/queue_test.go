package hotplug

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/uci/schema"
)

func peerEvent(n int, from, to string) Event {
	return Event{Action: Peer, Interface: "wg0", Peer: schema.Key{byte(n), byte(n >> 8), 1}, OldState: from, State: to}
}

func TestQueue(t *testing.T) {
	up := Event{Action: Interface, Interface: "wg0", OldState: "down", State: "up"}
	other := peerEvent(1, "a", "b")
	other.Interface = "wg1"
	for _, c := range []struct {
		name    string
		limit   int
		put     []Event
		want    []Event
		dropped int
	}{
		{
			name: "in order, nothing merged while there is room", limit: 4,
			put:  []Event{peerEvent(1, "a", "b"), peerEvent(1, "b", "a"), up, peerEvent(1, "a", "b")},
			want: []Event{peerEvent(1, "a", "b"), peerEvent(1, "b", "a"), up, peerEvent(1, "a", "b")},
		},
		{
			name: "the newest state, the oldest old state, the newest place", limit: 4,
			put:  []Event{peerEvent(1, "a", "b"), peerEvent(2, "x", "y"), peerEvent(1, "b", "c"), up, peerEvent(1, "c", "d")},
			want: []Event{peerEvent(2, "x", "y"), up, peerEvent(1, "a", "d")},
		},
		{
			name: "others make room", limit: 3,
			put:  []Event{peerEvent(1, "a", "b"), peerEvent(1, "b", "c"), up, other},
			want: []Event{peerEvent(1, "a", "c"), up, other},
		},
		{
			name: "a key on two interfaces is two peers", limit: 2,
			put:  []Event{peerEvent(1, "a", "b"), other, up},
			want: []Event{other, up}, dropped: 1,
		},
		{
			name: "the oldest goes", limit: 2,
			put:  []Event{peerEvent(1, "a", "b"), peerEvent(2, "a", "b"), peerEvent(3, "a", "b"), peerEvent(4, "a", "b"), peerEvent(4, "b", "c")},
			want: []Event{peerEvent(3, "a", "b"), peerEvent(4, "a", "c")}, dropped: 2,
		},
		{
			name: "room for one", limit: 1,
			put:  []Event{peerEvent(1, "a", "b"), peerEvent(1, "b", "c"), up, peerEvent(2, "a", "b")},
			want: []Event{peerEvent(2, "a", "b")}, dropped: 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := queue{limit: c.limit}
			for _, e := range c.put {
				q.put(e)
			}
			var got []Event
			dropped := 0
			for {
				e, n, ok := q.take()
				dropped += n
				if !ok {
					break
				}
				got = append(got, e)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if dropped != c.dropped {
				t.Errorf("%d dropped, want %d", dropped, c.dropped)
			}
		})
	}
}

// Room that was made by taking events is used like any other.
func TestQueueAgain(t *testing.T) {
	q := queue{limit: 2}
	for n := range 20 {
		q.put(peerEvent(1, fmt.Sprint(n), fmt.Sprint(n+1)))
		q.put(peerEvent(2, fmt.Sprint(n), fmt.Sprint(n+1)))
		if n%3 == 0 {
			q.take()
		}
	}
	if len(q.events) != 2 || q.dropped != 0 {
		t.Errorf("%d events, %d dropped", len(q.events), q.dropped)
	}
	if q.events[0].State != "20" || q.events[1].State != "20" {
		t.Errorf("%v", q.events)
	}
}

// BenchmarkPut is a burst of 10,000 peers that nobody takes.
func BenchmarkPut(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		r := New(Options{})
		for n := range 10_000 {
			r.Put(peerEvent(n, "connected", "stale"))
		}
	}
}
