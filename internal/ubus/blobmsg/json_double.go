package blobmsg

import (
	"math"
	"slices"
	"strings"
)

// parseDouble returns the float64 nearest to the number in
// [-+]DIGITS[.DIGITS][e[-+]DIGITS], where one of the first two may be missing; beyond the
// range it is infinity or 0.
//
// Nothing that netifd, rpcd or LuCI say to us is such a number; it only has to pass
// through. So it is the shortest way that is right, and not strconv.ParseFloat, which is
// fast and 7 KB of the package for mipsel.
func parseDouble(text string) (f float64, ok bool) {
	rest, negative := sign(text)
	whole, rest := digits(rest)
	fraction := ""
	if after, found := strings.CutPrefix(rest, "."); found {
		fraction, rest = digits(after)
	}
	if whole+fraction == "" {
		return 0, false
	}
	exponent := 0
	if rest != "" {
		if rest[0] != 'e' && rest[0] != 'E' {
			return 0, false
		}
		power, under := sign(rest[1:])
		power, rest = digits(power)
		if power == "" || rest != "" {
			return 0, false
		}
		for _, c := range []byte(power) {
			exponent = min(exponent*10+int(c-'0'), maxExponent)
		}
		if under {
			exponent = -exponent
		}
	}
	f = newDecimal(whole, fraction, exponent).double()
	if negative {
		f = -f
	}
	return f, true
}

// maxExponent takes any number that JSON has room for to infinity or to 0, however
// many digits it has; ten times it is an int of 32 bits.
const maxExponent = 1e8

// sign cuts off a sign, and says whether it is minus.
func sign(text string) (rest string, negative bool) {
	if rest, negative = strings.CutPrefix(text, "-"); negative {
		return rest, true
	}
	return strings.TrimPrefix(text, "+"), false
}

// digits cuts text behind the digits that it begins with.
func digits(text string) (_, rest string) {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return text[:n], text[n:]
}

// A decimal is 0.DIGITS * 10^point, with digits from 0 to 9 of which neither the first
// nor the last is 0; without digits it is 0.
type decimal struct {
	digits []byte
	point  int
}

// maxDigits is more than the digits of what lies half-way between two float64s, 768:
// behind them it matters only whether there is something.
const maxDigits = 800

func newDecimal(whole, fraction string, exponent int) *decimal {
	d := &decimal{point: len(whole) + exponent}
	for _, c := range []byte(whole + fraction) {
		d.digits = append(d.digits, c-'0')
	}
	d.trim()
	if len(d.digits) > maxDigits {
		d.digits = append(d.digits[:maxDigits], 1)
	}
	return d
}

func (d *decimal) trim() {
	for len(d.digits) > 0 && d.digits[0] == 0 {
		d.digits = d.digits[1:]
		d.point--
	}
	for n := len(d.digits); n > 0 && d.digits[n-1] == 0; n-- {
		d.digits = d.digits[:n-1]
	}
}

// divide divides by 2^bits, which is at most 2^manyBits.
func (d *decimal) divide(bits int) {
	var rest uint64
	for n, digit := range d.digits {
		rest = rest*10 + uint64(digit)
		d.digits[n] = byte(rest >> bits)
		rest &= 1<<bits - 1
	}
	for rest != 0 {
		rest *= 10
		d.digits = append(d.digits, byte(rest>>bits))
		rest &= 1<<bits - 1
	}
	d.trim()
}

// multiply multiplies by 2^bits, which is at most 2^manyBits.
func (d *decimal) multiply(bits int) {
	var carry uint64
	for n := len(d.digits) - 1; n >= 0; n-- {
		carry += uint64(d.digits[n]) << bits
		d.digits[n], carry = byte(carry%10), carry/10
	}
	var front []byte
	for ; carry != 0; carry /= 10 {
		front = append(front, byte(carry%10))
	}
	slices.Reverse(front)
	d.digits = append(front, d.digits...)
	d.point += len(front)
	d.trim()
}

// manyBits are as many as go at once: 2^50 is between 10^15 and 10^16, which is
// manyDigits.
const manyBits, manyDigits = 50, 16

// at returns a digit; the one at point is the first behind the decimal point.
func (d *decimal) at(n int) byte {
	if n < 0 || n >= len(d.digits) {
		return 0
	}
	return d.digits[n]
}

// whole returns the integral part, which is below 10^18.
func (d *decimal) whole() (n uint64) {
	for k := range d.point {
		n = n*10 + uint64(d.at(k))
	}
	return n
}

// double returns the nearest float64, of two that are as near the even one (IEEE
// 754-2019, section 4.3.1). d is used up.
func (d *decimal) double() float64 {
	const bits, smallest = 53, -1074 // of a float64's mantissa, and its least exponent
	if len(d.digits) == 0 || d.point < -400 {
		return 0
	}
	if d.point > 400 {
		return math.Inf(1)
	}
	exponent := 0
	for ; d.point > 18+manyDigits; exponent += manyBits {
		d.divide(manyBits)
	}
	for ; d.point > 18 || d.whole() >= 1<<bits; exponent++ {
		d.divide(1)
	}
	for ; d.point < -manyDigits && exponent-manyBits >= smallest; exponent -= manyBits {
		d.multiply(manyBits)
	}
	for ; d.whole() < 1<<(bits-1) && exponent > smallest; exponent-- {
		d.multiply(1)
	}
	n := d.whole()
	next, more := d.at(d.point), len(d.digits) > d.point+1
	if next > 5 || next == 5 && (more || n%2 == 1) {
		n++
	}
	return math.Ldexp(float64(n), exponent)
}
