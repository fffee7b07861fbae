package rpcd

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
)

// numberState is which signs json-c's number reader takes next.
type numberState struct {
	double, exponent bool
	minus, plus      bool
	run              int // bytes of the number in this piece of text
}

// resume is for a number that goes on in another piece: json-c works out its
// state from what it has kept, and a minus is allowed again.
func (n *numberState) resume(text []byte) {
	n.run = 0
	if len(text) == 0 {
		return
	}
	n.minus, n.plus = true, false
	e := bytes.IndexAny(text, "eE")
	n.exponent = e >= 0
	if n.exponent {
		n.minus = e == len(text)-1
		n.plus = n.minus
	}
}

// takes tells whether c belongs to the number.
func (n *numberState) takes(c byte) bool {
	switch {
	case c >= '0' && c <= '9', c == '-' && n.minus, c == '+' && n.plus:
		n.minus, n.plus = false, false
	case c == '.' && !n.double:
		n.double, n.minus, n.plus = true, true, true
	case (c == 'e' || c == 'E') && !n.exponent:
		n.double, n.exponent, n.minus, n.plus = true, true, true, true
	default:
		return false
	}
	n.run++
	return true
}

func (t *tokener) numberByte(c byte) (again bool, err error) {
	if t.number.takes(c) {
		t.text = append(t.text, c)
		return false, nil
	}
	inf := c == 'i' || c == 'I'
	if t.depth > 0 && !inf && !isSpace(c) && strings.IndexByte(",]}/", c) < 0 {
		return false, errToken
	}
	if inf && t.text[0] == '-' && t.number.run <= 1 {
		t.top().state, t.word = stateInfinity, 0
		return true, nil
	}
	v, err := number(string(t.text), t.number.double)
	if err != nil {
		return false, errToken
	}
	t.done(v)
	return true, nil
}

// number converts as blobmsg_json.c does: int32 where it fits, the nearest int64
// otherwise, float64 for all with a point or an exponent.
func number(text string, double bool) (any, error) {
	if !double {
		// What is behind the first digits of a number in two pieces is
		// dropped: strtoll stops there.
		if i := strings.IndexByte(text[1:], '-'); i >= 0 {
			text = text[:1+i]
		}
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil && !errors.Is(err, strconv.ErrRange):
			return nil, err
		case n >= math.MinInt32 && n <= math.MaxInt32:
			return int32(n), nil
		default:
			return n, nil
		}
	}
	if cut := strings.TrimRight(text, "eE+-"); cut != "" { // "123e+" is 123
		text = cut
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // beyond the range is infinity
		return nil, err
	}
	return f, nil
}
