package flatten

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Eight bytes are looked at together: each constant is a byte repeated.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops marks, with its high bit, each byte of w that ends a run of plain text: a control character, '"' or '\'. Bytes
// above the lowest one marked may be marked wrongly.
func stops(w uint64) uint64 {
	// x ^ 2 swaps '"' with the space and leaves control characters below them: one comparison finds both.
	q := w ^ ones*2
	b := w ^ ones*'\\'
	return ((q-ones*0x21)&^q | (b-ones)&^b) & highs
}

// skipSpace returns the position of the first byte from pos on that is no white space.
func skipSpace(buf []byte, pos int) int {
	for pos < len(buf) {
		if c := buf[pos]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			break
		}
		pos++
	}
	return pos
}

// text reads the rest of a string that began before pos, and returns the position after its closing quote.
func (f *Flattener) text(pos int) int {
	buf := f.in.buf
	var high uint64
	for i := pos; ; {
		w := binary.LittleEndian.Uint64(buf[i:])
		m := stops(w)
		if m == 0 {
			high |= w
			i += 8
			continue
		}
		high |= w & (m&-m - 1)
		i += bits.TrailingZeros64(m) >> 3
		switch buf[i] {
		case '"':
			if high&highs != 0 && !utf8.Valid(buf[pos:i]) {
				return f.badUTF8(pos, i)
			}
			return i + 1
		case '\\':
			if i = f.escape(i + 1); i < 0 {
				return i
			}
		default:
			return f.fail(i, "a control character must be escaped in a string")
		}
	}
}

// badUTF8 fails at the first byte of buf[pos:end] that is not UTF-8.
func (f *Flattener) badUTF8(pos, end int) int {
	for pos < end {
		r, size := utf8.DecodeRune(f.in.buf[pos:end])
		if r == utf8.RuneError && size == 1 {
			break
		}
		pos += size
	}
	return f.fail(pos, "the string is not valid UTF-8")
}

// escape reads what follows a backslash and returns the position after it.
func (f *Flattener) escape(pos int) int {
	switch f.in.buf[pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return pos + 1
	case 'u':
	default:
		return f.fail(pos, "no such escape in a string")
	}
	r, pos := f.hex4(pos + 1)
	if pos < 0 || r < 0xd800 || r > 0xdfff {
		return pos
	}
	if r >= 0xdc00 {
		return f.fail(pos-4, "the second half of a surrogate pair has no first")
	}
	for _, c := range [...]byte{'\\', 'u'} {
		if f.in.buf[pos] != c {
			return f.fail(pos, "the first half of a surrogate pair has no second")
		}
		pos++
	}
	r, pos = f.hex4(pos)
	if pos >= 0 && (r < 0xdc00 || r > 0xdfff) {
		return f.fail(pos-4, "the first half of a surrogate pair has no second")
	}
	return pos
}

// hex4 reads four hexadecimal digits.
func (f *Flattener) hex4(pos int) (rune, int) {
	var r rune
	for end := pos + 4; pos < end; pos++ {
		d := hexDigit(f.in.buf[pos])
		if d < 0 {
			return 0, f.fail(pos, "want a hexadecimal digit in an escape")
		}
		r = r<<4 | d
	}
	return r, pos
}

func hexDigit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// The kinds of shorter numbers are plain to see; those of longer ones are schema's to decide.
const (
	safeDigits = 18  // an integer of as many digits fits an int64
	maxPlain   = 300 // a fraction of as many bytes, without exponent, is below the largest float
)

// number reads the number at pos, and returns the position after it and its kind.
func (f *Flattener) number(pos int) (int, schema.Kind) {
	buf := f.in.buf
	i := pos
	if buf[i] == '-' {
		i++
	}
	digits := i
	switch {
	case buf[i] == '0':
		i++
	case isDigit(buf[i]):
		for i++; isDigit(buf[i]); i++ {
		}
	default:
		return f.fail(i, "want a digit"), 0
	}
	c := buf[i]
	if c == '.' || c|0x20 == 'e' {
		return f.fraction(pos, digits, i)
	}
	if i-digits > safeDigits {
		return i, schema.KindOfNumber(buf[pos:i])
	}
	if buf[digits] == '0' && digits > pos {
		return i, schema.Float // -0: an integer column would lose the sign
	}
	return i, schema.Int
}

// fraction reads the number at pos from i on, where its integer part, which began at digits, has ended.
func (f *Flattener) fraction(pos, digits, i int) (int, schema.Kind) {
	buf := f.in.buf
	if buf[i] == '.' {
		if i++; !isDigit(buf[i]) {
			return f.fail(i, "want a digit after the point"), 0
		}
		for i++; isDigit(buf[i]); i++ {
		}
	}
	exponent := buf[i]|0x20 == 'e'
	if exponent {
		if i++; buf[i] == '+' || buf[i] == '-' {
			i++
		}
		if !isDigit(buf[i]) {
			return f.fail(i, "want a digit in the exponent"), 0
		}
		for i++; isDigit(buf[i]); i++ {
		}
	}
	if !exponent && i-digits <= maxPlain {
		return i, schema.Float
	}
	return i, schema.KindOfNumber(buf[pos:i])
}
