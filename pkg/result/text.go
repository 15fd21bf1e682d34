package result

import (
	"encoding/base64"
	"math/bits"
	"unicode/utf8"
	"unsafe"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// word gives the first eight bytes of s, the first of them lowest.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// hasByte sets the high bit of the first byte of w that is c; bits above it mean nothing.
func hasByte(w uint64, c byte) uint64 {
	w ^= ones * uint64(c)
	return (w - ones) &^ w & highs
}

// special sets the high bit of the first byte of w that a JSON string cannot take as it is: a control character, a
// quote or a backslash.
func special(w uint64) uint64 {
	control := (w - ones*0x20) &^ w & highs
	return control | hasByte(w, '"') | hasByte(w, '\\')
}

// plainPrefix counts the bytes at the start of s that a JSON string takes as they are. A byte outside ASCII ends them
// unless s is known to be valid UTF-8.
func plainPrefix(s string, valid bool) int {
	foreign := uint64(highs)
	if valid {
		foreign = 0
	}
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		w := word(s[n:])
		if m := special(w) | w&foreign; m != 0 {
			return n + bits.TrailingZeros64(m)/8
		}
	}
	for n < len(s) && s[n] >= ' ' && s[n] != '"' && s[n] != '\\' && (valid || s[n] < utf8.RuneSelf) {
		n++
	}
	return n
}

// appendJSONString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD, one each.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	n := plainPrefix(s, false)
	dst = append(dst, s[:n]...)
	if n < len(s) {
		dst = appendEscaped(dst, s[n:], utf8.ValidString(s[n:]))
	}
	return append(dst, '"')
}

// appendEscaped appends s with escapes.
func appendEscaped(dst []byte, s string, valid bool) []byte {
	for {
		n := plainPrefix(s, valid)
		dst = append(dst, s[:n]...)
		if s = s[n:]; s == "" {
			return dst
		}
		if s[0] < utf8.RuneSelf {
			dst = appendEscape(dst, s[0])
			s = s[1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		dst = utf8.AppendRune(dst, r) // U+FFFD when s does not begin with a character
		s = s[size:]
	}
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}

const hexDigits = "0123456789abcdef"

func appendUUID(dst []byte, v *vector.Vector, i int) []byte {
	hi, lo := uint64(v.Wides[i].Hi), v.Wides[i].Lo
	dst = append(appendHex(dst, hi>>32, 8), '-')
	dst = append(appendHex(dst, hi>>16, 4), '-')
	dst = append(appendHex(dst, hi, 4), '-')
	dst = append(appendHex(dst, lo>>48, 4), '-')
	return appendHex(dst, lo, 12)
}

// appendHex appends the lowest digits of x.
func appendHex(dst []byte, x uint64, digits int) []byte {
	for shift := (digits - 1) * 4; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[x>>shift&15])
	}
	return dst
}

func appendBlob(dst []byte, v *vector.Vector, i int) []byte { return appendBase64(dst, v.Texts[i]) }

func appendBase64(dst []byte, s string) []byte {
	return base64.StdEncoding.AppendEncode(dst, unsafe.Slice(unsafe.StringData(s), len(s)))
}

// stringOf shows b as a string without a copy, for as long as b does not change.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
