package hotplug

import "github.com/wgnetifd/wgnetifd/uci/schema"

// queue is the events that wait, the oldest first.
type queue struct {
	limit  int
	events []Event
	// distinct: no two events are of the same subject.
	distinct bool
	dropped  int
}

// subject is what an event is about.
type subject struct {
	action Action
	iface  string
	peer   schema.Key
}

func (e *Event) subject() subject { return subject{e.Action, e.Interface, e.Peer} }

func (q *queue) put(e Event) {
	if len(q.events) < q.limit {
		q.events = append(q.events, e)
		q.distinct = false
		return
	}
	if !q.distinct {
		q.merge()
	}
	// An event of this subject, of which there is one at most now, is merged with
	// this one, which takes its place at the end.
	for n := range q.events {
		if q.events[n].subject() == e.subject() {
			e.OldState = q.events[n].OldState
			q.events = append(q.events[:n], q.events[n+1:]...)
			break
		}
	}
	if len(q.events) >= q.limit {
		q.events = append(q.events[:0], q.events[1:]...)
		q.dropped++
	}
	q.events = append(q.events, e)
}

// merge makes one event of all of one subject, in the place of the newest.
func (q *queue) merge() {
	last := make(map[subject]int, len(q.events)) // the place of each newest event
	oldest := make(map[subject]string, len(q.events))
	for n := range q.events {
		s := q.events[n].subject()
		last[s] = n
		if _, seen := oldest[s]; !seen {
			oldest[s] = q.events[n].OldState
		}
	}
	kept := q.events[:0]
	for n, e := range q.events {
		if s := e.subject(); last[s] == n {
			e.OldState = oldest[s]
			kept = append(kept, e)
		}
	}
	q.events = kept
	q.distinct = true
}

// take returns the oldest event, and how many were dropped since the last.
func (q *queue) take() (e Event, dropped int, ok bool) {
	if len(q.events) == 0 {
		q.clear()
		return Event{}, 0, false
	}
	e, dropped = q.events[0], q.dropped
	q.events, q.dropped = append(q.events[:0], q.events[1:]...), 0
	return e, dropped, true
}

// clear gives the memory back too.
func (q *queue) clear() { q.events, q.dropped, q.distinct = nil, 0, false }
