package result

import (
	"math"
	"math/bits"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// numberCell gives the function for the types whose text is the same in JSON and CSV and needs no quotes, nil for the
// others.
func numberCell(t vector.Type) cell {
	switch t.Kind {
	case vector.Null:
		return func(dst []byte, _ *vector.Vector, _ int) []byte { return dst } // all rows are NULL: never called
	case vector.Bool:
		return func(dst []byte, v *vector.Vector, i int) []byte { return strconv.AppendBool(dst, v.Bools[i]) }
	case vector.Int:
		return func(dst []byte, v *vector.Vector, i int) []byte { return strconv.AppendInt(dst, v.Ints[i], 10) }
	case vector.Uint:
		return func(dst []byte, v *vector.Vector, i int) []byte { return strconv.AppendUint(dst, v.Uints[i], 10) }
	case vector.Int128:
		unsigned := t.Unsigned
		return func(dst []byte, v *vector.Vector, i int) []byte { return appendWide(dst, v.Wides[i], unsigned, 0) }
	case vector.Number:
		return func(dst []byte, v *vector.Vector, i int) []byte { return append(dst, v.Texts[i]...) }
	case vector.Decimal:
		scale := t.Scale
		if t.Precision > 18 {
			return func(dst []byte, v *vector.Vector, i int) []byte { return appendWide(dst, v.Wides[i], false, scale) }
		}
		return func(dst []byte, v *vector.Vector, i int) []byte { return appendDecimal(dst, v.Ints[i], scale) }
	default:
		return nil
	}
}

// notNumbers are the words for NaN and the infinities, for which JSON has none.
type notNumbers struct{ nan, more, less string }

var jsonNulls = notNumbers{"null", "null", "null"}

func (w notNumbers) append(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, w.nan...)
	case f > 0:
		return append(dst, w.more...)
	default:
		return append(dst, w.less...)
	}
}

// floatCell gives the shortest text that reads back as the same number, in the form of ECMAScript and encoding/json.
func floatCell(t vector.Type, words notNumbers) cell {
	if t.Bits == 32 {
		return func(dst []byte, v *vector.Vector, i int) []byte {
			f := v.Floats[i]
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return words.append(dst, f)
			}
			a := float32(math.Abs(f))
			return appendShortest(dst, f, 32, a != 0 && (a < 1e-6 || a >= 1e21))
		}
	}
	return func(dst []byte, v *vector.Vector, i int) []byte {
		f := v.Floats[i]
		a := math.Abs(f)
		if a < 1e11 {
			if m := uint64(a*1e4 + 0.5); float64(m)/1e4 == a {
				return appendFourPlaces(dst, m, math.Signbit(f))
			}
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return words.append(dst, f)
		}
		return appendShortest(dst, f, 64, a != 0 && (a < 1e-6 || a >= 1e21))
	}
}

// appendFourPlaces appends m/10^4. For a float that m/10^4 rounds to this is the shortest text: m has at most 15
// digits, and no two decimals of up to 15 digits round to one float.
func appendFourPlaces(dst []byte, m uint64, negative bool) []byte {
	if negative {
		dst = append(dst, '-')
	}
	dst = strconv.AppendUint(dst, m/1e4, 10)
	return appendFraction(dst, m%1e4, 4)
}

// appendShortest is what encoding/json does: an exponent for the very small and the very large, without a leading zero.
func appendShortest(dst []byte, f float64, size int, exponent bool) []byte {
	if !exponent {
		return strconv.AppendFloat(dst, f, 'f', -1, size)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, size)
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// appendFraction appends a point and the digits of x as so many places, without zeros at the end; nothing for 0.
func appendFraction(dst []byte, x uint64, places int) []byte {
	if x == 0 {
		return dst
	}
	for x%10 == 0 {
		x /= 10
		places--
	}
	return appendPadded(append(dst, '.'), x, places)
}

// appendPadded appends x with zeros before it, width digits in all; x has no more.
func appendPadded(dst []byte, x uint64, width int) []byte {
	var b [20]byte
	at := len(b)
	for range width {
		at--
		b[at] = byte('0' + x%10)
		x /= 10
	}
	return append(dst, b[at:]...)
}

// powers are those of ten that fit 64 bits.
var powers = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// appendDecimal appends x/10^scale with all its places; scale is at most 18.
func appendDecimal(dst []byte, x int64, scale int) []byte {
	u := uint64(x)
	if x < 0 {
		dst = append(dst, '-')
		u = -u
	}
	dst = strconv.AppendUint(dst, u/powers[scale], 10)
	if scale == 0 {
		return dst
	}
	return appendPadded(append(dst, '.'), u%powers[scale], scale)
}

// appendWide appends x/10^scale with all its places.
func appendWide(dst []byte, x vector.Wide, unsigned bool, scale int) []byte {
	hi, lo := uint64(x.Hi), x.Lo
	if !unsigned && x.Hi < 0 {
		dst = append(dst, '-')
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	var space [60]byte
	digits := appendDigits(space[:0], hi, lo)
	if scale == 0 {
		return append(dst, digits...)
	}
	if whole := len(digits) - scale; whole > 0 {
		dst = append(append(dst, digits[:whole]...), '.')
		return append(dst, digits[whole:]...)
	}
	dst = append(dst, "0."...)
	for range scale - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// appendDigits appends hi·2^64 + lo, 19 digits at a time.
func appendDigits(dst []byte, hi, lo uint64) []byte {
	const limb = 1e19
	if hi == 0 {
		return strconv.AppendUint(dst, lo, 10)
	}
	q1, r := hi/limb, hi%limb
	q0, low := bits.Div64(r, lo, limb)
	if top, mid := bits.Div64(q1, q0, limb); top > 0 {
		dst = appendPadded(strconv.AppendUint(dst, top, 10), mid, 19)
	} else {
		dst = strconv.AppendUint(dst, mid, 10)
	}
	return appendPadded(dst, low, 19)
}
