package history

import (
	"math"
	"math/bits"
	"time"
)

// maxSpread is over how many steps the bytes of one reading are spread. When
// more went by nobody can say when they moved.
const maxSpread = 5

// cell is a number of bytes in 32 bits: 6 of exponent, 26 of mantissa, with the
// leading one. It is exact up to 2^26 and rounded down by less than a
// 2^25th (3e-8) above, and holds every uint64; a minute at 10 Gbit/s, 75 GB,
// is off by less than 2,048 bytes for each reading in it. A float32 holds 24
// bits, and costs on routers without a floating point unit.
type cell uint32

const (
	mantissaBits = 26
	// unmeasured has an exponent that no number has (the highest is 38).
	unmeasured cell = math.MaxUint32
)

// pack rounds down.
func pack(n uint64) cell {
	exponent := max(0, bits.Len64(n)-mantissaBits)
	return cell(exponent<<mantissaBits) | cell(n>>exponent)
}

// bytes is 0 for a cell that nobody measured.
func (c cell) bytes() uint64 {
	if c == unmeasured {
		return 0
	}
	return uint64(c&(1<<mantissaBits-1)) << (c >> mantissaBits)
}

// shown is the number as a Series has it.
func (c cell) shown() int64 {
	if c == unmeasured {
		return -1
	}
	return int64(min(c.bytes(), math.MaxInt64))
}

type cells struct{ rx, tx cell }

// ring is the last steps of one series. Steps are counted from the epoch.
type ring struct {
	step time.Duration
	// newest is the last step that was written, -1 before the first. Cells that
	// are more than the ring's length behind it hold something newer.
	newest int64
	cells  []cells
}

// minuteRing and secondRing have their cells in the same piece of memory.
type minuteRing struct {
	ring
	memory [minutes]cells
}

func newMinuteRing() *minuteRing {
	m := &minuteRing{}
	m.init(time.Minute, m.memory[:])
	return m
}

func (r *ring) init(step time.Duration, memory []cells) {
	*r = ring{step: step, newest: -1, cells: memory}
}

// at returns the cells of a step that is in the ring.
func (r *ring) at(step int64) *cells { return &r.cells[step%int64(len(r.cells))] }

// get returns the cells of any step.
func (r *ring) get(step int64) cells {
	if step < 0 || step > r.newest || step <= r.newest-int64(len(r.cells)) {
		return cells{unmeasured, unmeasured}
	}
	return *r.at(step)
}

// advance makes a step the newest one; those that were skipped are unmeasured.
func (r *ring) advance(to int64) {
	for step := max(r.newest+1, to-int64(len(r.cells))+1); step <= to; step++ {
		*r.at(step) = cells{unmeasured, unmeasured}
	}
	r.newest = max(r.newest, to)
}

// add counts bytes onto the steps that the time belongs to.
func (r *ring) add(over span, what moved) {
	first, last := int64(over.from/r.step), int64((over.to-1)/r.step)
	if last-first >= maxSpread && what != (moved{}) {
		return
	}
	r.advance(last)
	first = max(first, last-int64(len(r.cells))+1)
	var done moved
	for step := first; step <= last; step++ {
		// The share of the time up to this step's end, less what went before:
		// the shares sum up to the whole.
		until := min(time.Duration(step+1)*r.step, over.to) - over.from
		upTo := moved{share(what.rx, until, over.length()), share(what.tx, until, over.length())}
		c := r.at(step)
		c.rx = pack(saturated(c.rx.bytes(), upTo.rx-done.rx))
		c.tx = pack(saturated(c.tx.bytes(), upTo.tx-done.tx))
		done = upTo
	}
}

// share is n·part/whole, rounded down; part is at most whole.
func share(n uint64, part, whole time.Duration) uint64 {
	if n == 0 || part == whole {
		return n
	}
	hi, lo := bits.Mul64(n, uint64(part))
	quotient, _ := bits.Div64(hi, lo, uint64(whole))
	return quotient
}

// series returns the steps that are not older than the ring is long and were
// over at a time.
func (s *Store) series(now time.Time, at time.Duration, r *ring) (Series, bool) {
	elapsed := s.elapsed(now)
	end := int64(at / r.step)
	first := max(0, int64(elapsed/r.step)-int64(len(r.cells)))
	for first < end && r.get(first) == (cells{unmeasured, unmeasured}) {
		first++
	}
	if first >= end {
		return Series{}, false
	}
	out := Series{
		Start: now.Add(time.Duration(first)*r.step - elapsed).Round(0),
		Step:  r.step,
		Rx:    make([]int64, 0, end-first),
		Tx:    make([]int64, 0, end-first),
	}
	for step := first; step < end; step++ {
		c := r.get(step)
		out.Rx, out.Tx = append(out.Rx, c.rx.shown()), append(out.Tx, c.tx.shown())
	}
	return out, true
}
