package status

import "github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"

// counts are numbers of peers by state, in the order of states.
type counts [len(states)]int

// table returns them without those that are zero.
func (c *counts) table() blobmsg.Table {
	t := blobmsg.Table{}
	for n, count := range c {
		if count > 0 {
			t = append(t, blobmsg.Field{Name: string(states[n]), Value: count})
		}
	}
	return t
}

// sums is what the peers of an interface come to.
type sums struct {
	counts
	connected, active int
	rx, tx            uint64 // bytes
}

func (i *Interface) sums() (s sums) {
	for n := range i.Peers {
		p := &i.Peers[n]
		if rank := p.State.rank(); rank < len(s.counts) {
			s.counts[rank]++
		}
		switch p.State {
		case Connected:
			s.connected++
			s.active++
		case Disabled, Invalid:
		default:
			s.active++
		}
		s.rx += p.RxBytes
		s.tx += p.TxBytes
	}
	return s
}
