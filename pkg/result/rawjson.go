package result

import (
	"strings"
	"unicode/utf8"
)

// appendRawJSON appends a database's JSON text as it is. Only line ends, which JSON allows between its tokens alone, become
// spaces: a row must stay on its line. Databases take more for JSON than there is: of what is no JSON, NaN and the infinities
// become null and commas before a bracket go, as DuckDB has them; what then is none still is sent as a string.
func appendRawJSON(dst []byte, s string) []byte {
	from := len(dst)
	if validJSON(s) {
		dst = append(dst, s...)
	} else if dst = appendMended(dst, s); !validJSON(stringOf(dst[from:])) {
		return appendJSONString(dst[:from], s)
	}
	if strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0 {
		return dst
	}
	for i, c := range dst[from:] {
		if c == '\n' || c == '\r' {
			dst[from+i] = ' '
		}
	}
	return dst
}

// appendMended appends text that is JSON but for numbers that are none, commas after the last of several values, and bytes
// that are not UTF-8.
func appendMended(dst []byte, s string) []byte {
	last := byte('[') // but for white space, what was appended last
	for i := 0; i < len(s); {
		end := i + 1
		switch c := s[i]; {
		case c == '"':
			if end = stringEnd(s, i); end < 0 {
				return append(dst, s[i:]...)
			}
		case c == ',' && endsList(s, i+1) && strings.IndexByte("[{,", last) < 0:
			i++
			continue
		case wordByte(c):
			for end < len(s) && wordByte(s[end]) {
				end++
			}
			if noNumber(s[i:end]) {
				dst, last, i = append(dst, "null"...), 'l', end
				continue
			}
		}
		if blanks(s, i) == i {
			last = s[end-1]
		}
		dst = appendUTF8(dst, s[i:end])
		i = end
	}
	return dst
}

// endsList reports whether the next thing at i closes a list or an object.
func endsList(s string, i int) bool {
	i = blanks(s, i)
	return i < len(s) && (s[i] == ']' || s[i] == '}')
}

// wordByte reports whether c may be in a number or a word.
func wordByte(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '+' || c == '.'
}

// noNumber reports whether a word is how DuckDB writes or reads a number that is none, or infinite.
func noNumber(word string) bool {
	if word[0] == '-' || word[0] == '+' {
		word = word[1:]
	}
	return strings.EqualFold(word, "nan") || strings.EqualFold(word, "inf") || strings.EqualFold(word, "infinity")
}

// appendUTF8 appends s. Bytes that are not UTF-8 become U+FFFD, one each.
func appendUTF8(dst []byte, s string) []byte {
	if utf8.ValidString(s) {
		return append(dst, s...)
	}
	for _, r := range s {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
