package result

import (
	"math"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// number is what a fixed-width value is made of.
type number interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64 | vector.Wide | arrow.MonthDayNanoInterval
}

// room appends space for n values of type T to c and gives it, whatever it holds.
func room[T number](c *arrowColumn, n int) []T {
	var t T
	b := c.grow(n * int(unsafe.Sizeof(t)))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

func tooWide(what, limit string) error {
	return fault.New(fault.Unprocessable, "value_out_of_range", "%s: cast it to text in the query", what+" "+limit)
}

func fillNothing(*arrowColumn, *vector.Vector, int, int) error { return nil }

func fillBools(c *arrowColumn, v *vector.Vector, from, to int) error {
	for at := from; at < to; at += 64 {
		count := min(64, to-at)
		c.bits.put(boolsAt(v.Bools[at:], count)&validAt(v, at, count), count)
	}
	return nil
}

func fillInts(c *arrowColumn, v *vector.Vector, from, to int) error {
	copy(room[int64](c, to-from), v.Ints[from:to])
	return nil
}

func fillUints(c *arrowColumn, v *vector.Vector, from, to int) error {
	copy(room[uint64](c, to-from), v.Uints[from:to])
	return nil
}

func fillFloats(c *arrowColumn, v *vector.Vector, from, to int) error {
	copy(room[float64](c, to-from), v.Floats[from:to])
	return nil
}

func fillWides(c *arrowColumn, v *vector.Vector, from, to int) error {
	copy(room[vector.Wide](c, to-from), v.Wides[from:to])
	return nil
}

func fillFloat32s(c *arrowColumn, v *vector.Vector, from, to int) error {
	out := room[float32](c, to-from)
	for i, x := range v.Floats[from:to] {
		out[i] = float32(x)
	}
	return nil
}

func fillNarrow[T int8 | int16 | int32 | uint8 | uint16 | uint32](c *arrowColumn, v *vector.Vector, from, to int) error {
	out := room[T](c, to-from)
	for i, x := range v.Ints[from:to] {
		out[i] = T(x)
	}
	return nil
}

// fillDecimals widens the decimals of up to 18 digits.
func fillDecimals(c *arrowColumn, v *vector.Vector, from, to int) error {
	out := room[vector.Wide](c, to-from)
	for i, x := range v.Ints[from:to] {
		out[i] = vector.Wide{Lo: uint64(x), Hi: x >> 63}
	}
	return nil
}

// fillInt128s takes the integers of up to 38 digits. A larger one ends the query: it must not arrive as another number.
func fillInt128s(c *arrowColumn, v *vector.Vector, from, to int) error {
	const limitHi, limitLo = 0x4b3b4ca85a86c47a, 0x098a224000000000 // 10^38
	for i, x := range v.Wides[from:to] {
		if x.Hi < limitHi && x.Hi > -limitHi || v.IsNull(from+i) {
			continue
		}
		above := x.Hi > limitHi || x.Hi == limitHi && x.Lo >= limitLo
		below := x.Hi < -limitHi-1 || x.Hi == -limitHi-1 && x.Lo <= -limitLo&math.MaxUint64
		if above || below {
			return tooWide("an integer of more than 38 digits", "has no decimal type here")
		}
	}
	return fillWides(c, v, from, to)
}

// fillDates narrows days. There are no infinite dates in arrow: they become NULL.
func fillDates(c *arrowColumn, v *vector.Vector, from, to int) error {
	out := room[int32](c, to-from)
	for i, x := range v.Ints[from:to] {
		out[i] = int32(x)
		if int64(out[i]) == x || !c.valid.get(c.rows+i) {
			continue
		}
		if x != vector.Infinity && x != -vector.Infinity {
			return tooWide("a date", "is too far away for 32 bits of days")
		}
		c.valid.clear(c.rows + i)
	}
	return nil
}

// fillTimestamps copies times. There are no infinite ones in arrow: they become NULL.
func fillTimestamps(c *arrowColumn, v *vector.Vector, from, to int) error {
	for i, x := range v.Ints[from:to] {
		if (x == vector.Infinity || x == -vector.Infinity) && c.valid.get(c.rows+i) {
			c.valid.clear(c.rows + i)
		}
	}
	return fillInts(c, v, from, to)
}

func fillIntervals(c *arrowColumn, v *vector.Vector, from, to int) error {
	const limit = math.MaxInt64 / 1000
	out := room[arrow.MonthDayNanoInterval](c, to-from)
	for i, x := range v.Intervals[from:to] {
		if (x.Micros > limit || x.Micros < -limit) && !v.IsNull(from+i) {
			return tooWide("an interval of more than 292 years of hours", "does not fit nanoseconds")
		}
		out[i] = arrow.MonthDayNanoInterval{Months: x.Months, Days: x.Days, Nanoseconds: x.Micros * 1000}
	}
	return nil
}

// fillBytes appends texts as they are.
func fillBytes(c *arrowColumn, v *vector.Vector, from, to int) error {
	values, offsets := c.values, c.offsets
	for i, s := range v.Texts[from:to] {
		if v.Valid == nil || !v.IsNull(from+i) {
			values = append(values, s...)
		}
		offsets = append(offsets, int32(len(values)))
	}
	c.values, c.offsets = values, offsets
	_, err := end(len(values))
	return err
}

// fillUTF8 appends texts. Readers rely on UTF-8 that is valid, so of the others each bad byte becomes U+FFFD, as in JSON.
func fillUTF8(c *arrowColumn, v *vector.Vector, from, to int) error {
	text, row := len(c.values), len(c.offsets)
	if err := fillBytes(c, v, from, to); err != nil {
		return err
	}
	if validTexts(c.values[text:], c.offsets[row-1:], c.offsets[row-1]) {
		return nil
	}
	c.values, c.offsets = c.values[:text], c.offsets[:row]
	return fillWritten(func(dst []byte, v *vector.Vector, i int) []byte {
		for _, r := range v.Texts[i] {
			dst = utf8.AppendRune(dst, r)
		}
		return dst
	})(c, v, from, to)
}

// validTexts reports whether each of the texts that lie in b, whose first byte has the offset base, is valid UTF-8: all
// of b is, and none of them begins inside a character.
func validTexts(b []byte, offsets []int32, base int32) bool {
	if ascii(b) {
		return true
	}
	if !utf8.Valid(b) {
		return false
	}
	for _, at := range offsets {
		if at -= base; int(at) < len(b) && !utf8.RuneStart(b[at]) {
			return false
		}
	}
	return true
}

func ascii(b []byte) bool {
	s := stringOf(b)
	for ; len(s) >= 8; s = s[8:] {
		if word(s)&highs != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// fillWritten appends what write makes of each value.
func fillWritten(write cell) fillFunc {
	return func(c *arrowColumn, v *vector.Vector, from, to int) error {
		for i := from; i < to; i++ {
			if !v.IsNull(i) {
				c.values = write(c.values, v, i)
			}
			at, err := end(len(c.values))
			if err != nil {
				return err
			}
			c.offsets = append(c.offsets, at)
		}
		return nil
	}
}
