package schema

import (
	"math/big"
	"math/bits"
	"strconv"
	"unsafe"
)

// KindOfString gives the kind of a JSON string, of which raw is what stands between the quotes: Timestamp, Date or Text.
func KindOfString(raw []byte) Kind {
	if len(raw) < dateLen || raw[0]-'0' > 9 {
		return Text
	}
	if len(raw) == dateLen {
		if _, ok := date(raw); ok {
			return Date
		}
	} else if _, ok := ParseTimestamp(raw); ok {
		return Timestamp
	}
	return Text
}

// safeDigits is how many digits an integer may have to fit an int64 for sure.
const safeDigits = 18

// safeFloat is how many bytes a number without an exponent may have to be below the largest float for sure.
const safeFloat = 300

// KindOfNumber gives the kind of a JSON number, of which b is the text: Int, Float or Text. b must be valid. An integer
// that fits no int64 is a Float only when a float has it exactly; -0 is a Float, as an integer column would lose the
// sign.
func KindOfNumber(b []byte) Kind {
	integer := true
	for i, c := range b {
		if c == '.' {
			integer = false
		} else if c|0x20 == 'e' {
			return kindOfExponent(b, i)
		}
	}
	switch {
	case !integer && len(b) <= safeFloat:
		return Float
	case !integer:
		return kindOfExponent(b, len(b))
	case len(b) == 2 && b[0] == '-' && b[1] == '0':
		return Float
	case len(b) <= safeDigits:
		return Int
	}
	return kindOfLong(b)
}

// kindOfExponent gives the kind of a number with a fraction or an exponent, which begins at e.
func kindOfExponent(b []byte, e int) Kind {
	if exponent := b[e:]; e <= safeDigits && len(exponent) > 1 && (exponent[1] == '-' || len(exponent) <= len("e99")) {
		return Float // below 1e18 times 1e99
	}
	if _, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 64); err != nil {
		return Text // not finite
	}
	return Float
}

const (
	mantissa       = 53  // how many bits of an integer a 64-bit float keeps
	maxFloatDigits = 309 // of the largest float
)

// kindOfLong gives the kind of an integer that may be too long for an int64.
func kindOfLong(b []byte) Kind {
	digits, limit := b, "9223372036854775807"
	if b[0] == '-' {
		digits, limit = b[1:], "9223372036854775808"
	}
	if len(digits) < len(limit) || len(digits) == len(limit) && string(digits) <= limit {
		return Int
	}
	if len(digits) > maxFloatDigits {
		return Text
	}
	// Above 2^63 only multiples of 2^(64-mantissa) are floats. That rules nearly all out before the exact test.
	var low uint64
	for _, c := range digits {
		low = low*10 + uint64(c-'0')
	}
	if bits.TrailingZeros64(low) < 64-mantissa {
		return Text
	}
	n, ok := new(big.Int).SetString(string(digits), 10)
	if !ok || n.BitLen() > 1024 || n.BitLen()-int(n.TrailingZeroBits()) > mantissa {
		return Text
	}
	return Float
}
