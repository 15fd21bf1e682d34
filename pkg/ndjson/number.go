package ndjson

import (
	"math"
	"math/bits"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// scanNumber returns the position after the number at pos, or -1, and whether it has neither fraction nor exponent.
func scanNumber(buf []byte, pos int) (end int, integer bool) {
	if buf[pos] == '-' {
		pos++
	}
	first := pos
	if pos = skipDigits(buf, pos); pos == first || buf[first] == '0' && pos > first+1 {
		return -1, false
	}
	integer = true
	if buf[pos] == '.' {
		integer = false
		first = pos + 1
		if pos = skipDigits(buf, first); pos == first {
			return -1, false
		}
	}
	if buf[pos]|0x20 == 'e' {
		integer = false
		if pos++; buf[pos] == '+' || buf[pos] == '-' {
			pos++
		}
		first = pos
		if pos = skipDigits(buf, first); pos == first {
			return -1, false
		}
	}
	return pos, integer
}

func skipDigits(buf []byte, pos int) int {
	for buf[pos]-'0' <= 9 {
		pos++
	}
	return pos
}

// quickDigits is how many digits always fit 64 bits, and leave room for a test of the next.
const quickDigits = 18

// quickInt reads a short integer, as nearly all are, and returns the position after it; 0 when it is not one.
func quickInt(buf []byte, pos int) (x int64, end int) {
	i := pos
	negative := buf[i] == '-'
	if negative {
		i++
	}
	first := i
	for ; buf[i]-'0' <= 9; i++ {
		x = x*10 + int64(buf[i]-'0')
	}
	n := i - first
	if n-1 >= quickDigits || n == 0 || buf[first] == '0' && i-pos > 1 || buf[i] != ',' && buf[i] != '}' {
		return 0, 0
	}
	if negative {
		x = -x
	}
	return x, i
}

// powers are those that a 64-bit float has exactly.
var powers = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
	1e21, 1e22,
}

// mantissa is how many bits of an integer a 64-bit float keeps, mantissa32 a 32-bit one.
const (
	mantissa   = 53
	mantissa32 = 24
)

// quickFloat reads a number without exponent whose digits are so few that one division gives the nearest float, and
// returns the position after it; 0 when it is not one.
func quickFloat(buf []byte, pos int) (f float64, end int) {
	i := pos
	negative := buf[i] == '-'
	if negative {
		i++
	}
	first := i
	var x uint64
	for ; buf[i]-'0' <= 9; i++ {
		x = x*10 + uint64(buf[i]-'0')
	}
	if i == first || buf[first] == '0' && i > first+1 {
		return 0, 0
	}
	digits, places := i-first, 0
	if buf[i] == '.' {
		i++
		first = i
		for ; buf[i]-'0' <= 9; i++ {
			x = x*10 + uint64(buf[i]-'0')
		}
		if places = i - first; places == 0 {
			return 0, 0
		}
	}
	if digits+places > quickDigits || x >= 1<<mantissa || buf[i] != ',' && buf[i] != '}' {
		return 0, 0
	}
	if f = float64(x) / powers[places]; negative {
		f = -f
	}
	return f, i
}

// decimal is a number as its text has it: mantissa · 10^exponent.
type decimal struct {
	negative bool
	integer  bool // written with neither fraction nor exponent
	exact    bool // the mantissa has all digits; else it lacks some that are not zero
	mantissa uint64
	exponent int
}

// maxExponent is more than any number's exponent may be for the number to matter, and far from overflow.
const maxExponent = 1 << 40

// parseDecimal reads a valid number.
func parseDecimal(b []byte) decimal {
	x := decimal{integer: true, exact: true}
	point, i := false, 0
	if b[0] == '-' {
		x.negative = true
		i++
	}
	for ; i < len(b) && b[i]|0x20 != 'e'; i++ {
		if b[i] == '.' {
			point, x.integer = true, false
			continue
		}
		x.digit(uint64(b[i]-'0'), point)
	}
	if i == len(b) {
		return x
	}
	x.integer = false
	i++
	down, e := b[i] == '-', 0
	for ; i < len(b); i++ {
		if b[i] >= '0' && e < maxExponent {
			e = e*10 + int(b[i]-'0')
		}
	}
	if down {
		e = -e
	}
	x.exponent += e
	return x
}

// digit puts one more digit at the mantissa's end.
func (x *decimal) digit(d uint64, afterPoint bool) {
	const most = math.MaxUint64 / 10
	if x.exact && (x.mantissa < most || x.mantissa == most && d <= math.MaxUint64%10) {
		x.mantissa = x.mantissa*10 + d
		if afterPoint {
			x.exponent--
		}
		return
	}
	if d != 0 {
		x.exact = false
	}
	if !afterPoint {
		x.exponent++
	}
}

// uint returns the value without its sign if it is an integer that fits.
func (x decimal) uint() (uint64, bool) {
	if x.mantissa == 0 {
		return 0, x.exact && !x.negative // an integer has no -0
	}
	n := x.mantissa
	for e := x.exponent; e < 0; e++ {
		if n%10 != 0 {
			return 0, false
		}
		n /= 10
	}
	for e := x.exponent; e > 0; e-- {
		hi, lo := bits.Mul64(n, 10)
		if hi != 0 {
			return 0, false
		}
		n = lo
	}
	return n, x.exact
}

// floatOf returns the float of that width which is nearest to the number b. An integer must be the float exactly, and
// no number may become infinite, nor zero unless it is.
func floatOf(b []byte, width int) (float64, bool) {
	f, err := strconv.ParseFloat(view(b), width)
	if err != nil {
		return 0, false
	}
	x := parseDecimal(b)
	if f == 0 {
		return f, x.mantissa == 0
	}
	if !x.integer {
		return f, true
	}
	if x.exact && x.exponent == 0 {
		keeps := mantissa
		if width == 32 {
			keeps = mantissa32
		}
		return f, bits.Len64(x.mantissa)-bits.TrailingZeros64(x.mantissa) <= keeps
	}
	if schema.KindOfNumber(b) != schema.Float {
		return 0, false
	}
	whole, _ := strconv.ParseFloat(view(b), 64)
	return f, f == whole
}
