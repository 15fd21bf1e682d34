package ndjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// The functions of this file read a chunk at a position that is before the end of a line. None of them goes past the
// line's end, as they stop at a control character, and none past the chunk's, which has padding bytes after the lines.

// padding is how many bytes may be read after a line's end.
const padding = 16

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

func load(buf []byte, pos int) uint64 { return binary.LittleEndian.Uint64(buf[pos:]) }

// view returns b as a string that shares its memory.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// scanString reads the inside of the string that begins at pos, and returns where its closing quote is, or -1.
func scanString(buf []byte, pos int) (end int, escaped bool) {
	var high uint64
	for i := pos; ; {
		w := load(buf, i)
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
				return -1, false
			}
			return i, escaped
		case '\\':
			escaped = true
			if i = skipEscape(buf, i+1); i < 0 {
				return -1, false
			}
		default:
			return -1, false
		}
	}
}

// skipEscape returns the position after what follows a backslash, or -1.
func skipEscape(buf []byte, pos int) int {
	switch buf[pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return pos + 1
	case 'u':
	default:
		return -1
	}
	r := hex4(buf, pos+1)
	switch {
	case r < 0 || 0xdc00 <= r && r <= 0xdfff:
		return -1
	case r < 0xd800 || r > 0xdfff:
		return pos + 5
	}
	if buf[pos+5] != '\\' || buf[pos+6] != 'u' {
		return -1
	}
	if r = hex4(buf, pos+7); r < 0xdc00 || r > 0xdfff {
		return -1
	}
	return pos + 11
}

// hex4 reads four hexadecimal digits; -1 when they are not.
func hex4(buf []byte, pos int) (r rune) {
	for _, c := range buf[pos : pos+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// unescape appends what s, the inside of a string that scanString has read, means to dst, which may be s[:0].
func unescape(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := hex4(s, 0)
			s = s[4:]
			if 0xd800 <= r && r <= 0xdfff {
				r = 0x10000 + (r-0xd800)<<10 + hex4(s, 2) - 0xdc00
				s = s[6:]
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
}

// maxDepth is how deep a value may nest. It only guards the stack: rows have a far lower limit when they come in.
const maxDepth = 5000

// skipValue returns the position after the value at pos, or -1.
func skipValue(buf []byte, pos, depth int) int {
	if depth > maxDepth {
		return -1
	}
	switch c := buf[pos]; {
	case c == '"':
		end, _ := scanString(buf, pos+1)
		if end < 0 {
			return -1
		}
		return end + 1
	case c == '-' || c-'0' <= 9:
		end, _ := scanNumber(buf, pos)
		return end
	case c == '{':
		return skipObject(buf, pos, depth, nil)
	case c == '[':
		return skipArray(buf, pos, depth)
	case c == 't':
		return skipWord(buf, pos, "true")
	case c == 'f':
		return skipWord(buf, pos, "false")
	case c == 'n':
		return skipWord(buf, pos, "null")
	}
	return -1
}

func skipWord(buf []byte, pos int, word string) int {
	if string(buf[pos:min(pos+len(word), len(buf))]) != word {
		return -1
	}
	return pos + len(word)
}

// skipObject is skipValue for an object. It shows its members to visit, which may be nil: the inside of the name's
// string and the value's text.
func skipObject(buf []byte, pos, depth int, visit func(name, value []byte)) int {
	if pos++; buf[pos] == '}' {
		return pos + 1
	}
	for buf[pos] == '"' {
		name := pos + 1
		end, _ := scanString(buf, name)
		if end < 0 || buf[end+1] != ':' {
			return -1
		}
		value := end + 2
		if pos = skipValue(buf, value, depth+1); pos < 0 {
			return -1
		}
		if visit != nil {
			visit(buf[name:end], buf[value:pos])
		}
		switch buf[pos] {
		case '}':
			return pos + 1
		case ',':
			pos++
		default:
			return -1
		}
	}
	return -1
}

func skipArray(buf []byte, pos, depth int) int {
	if pos++; buf[pos] == ']' {
		return pos + 1
	}
	for {
		if pos = skipValue(buf, pos, depth+1); pos < 0 {
			return -1
		}
		switch buf[pos] {
		case ']':
			return pos + 1
		case ',':
			pos++
		default:
			return -1
		}
	}
}

// lineEnd reads what follows a row's last brace. It returns the position of the next line, or -1, and whether the line
// has the mark that ends an insert.
func lineEnd(buf []byte, pos int) (next int, mark bool) {
	switch {
	case buf[pos] == '\n':
		return pos + 1, false
	case buf[pos] == ' ' && buf[pos+1] == '\n':
		return pos + 2, true
	}
	return -1, false
}
