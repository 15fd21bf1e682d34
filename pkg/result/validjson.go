package result

import (
	"strings"
	"unicode/utf8"
)

// validJSON reports whether s is one JSON value as RFC 8259 has it, however deep, in UTF-8.
func validJSON(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	var few [64]byte
	open := few[:0] // the brackets that are not closed
	i := blanks(s, 0)
	for i < len(s) { // a value begins
		switch c := s[i]; c {
		case '{', '[':
			open = append(open, c)
			i = blanks(s, i+1)
			if i < len(s) && s[i] == closing(c) {
				break
			}
			if c == '{' {
				if i = keyEnd(s, i); i < 0 {
					return false
				}
			}
			continue
		default:
			if i = scalarEnd(s, i); i < 0 {
				return false
			}
			i = blanks(s, i)
		}
		for len(open) > 0 && i < len(s) && s[i] == closing(open[len(open)-1]) {
			open = open[:len(open)-1]
			i = blanks(s, i+1)
		}
		if len(open) == 0 {
			return i == len(s)
		}
		if i == len(s) || s[i] != ',' {
			return false
		}
		i = blanks(s, i+1)
		if open[len(open)-1] == '{' {
			if i = keyEnd(s, i); i < 0 {
				return false
			}
		}
	}
	return false
}

// closing is the bracket that closes another; ASCII has each pair two apart.
func closing(bracket byte) byte { return bracket + 2 }

// blanks gives where the white space at i ends.
func blanks(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// keyEnd gives where the value of the member at i begins, -1 if there is none.
func keyEnd(s string, i int) int {
	if i == len(s) || s[i] != '"' {
		return -1
	}
	if i = stringEnd(s, i); i < 0 {
		return -1
	}
	if i = blanks(s, i); i == len(s) || s[i] != ':' {
		return -1
	}
	return blanks(s, i+1)
}

// scalarEnd gives where the text, number or word at i ends, -1 if there is none.
func scalarEnd(s string, i int) int {
	switch s[i] {
	case '"':
		return stringEnd(s, i)
	case 't':
		return wordEnd(s, i, "true")
	case 'f':
		return wordEnd(s, i, "false")
	case 'n':
		return wordEnd(s, i, "null")
	}
	return numberEnd(s, i)
}

func wordEnd(s string, i int, word string) int {
	if strings.HasPrefix(s[i:], word) {
		return i + len(word)
	}
	return -1
}

// stringEnd gives where the string whose quote is at i ends, -1 if it is none.
func stringEnd(s string, i int) int {
	for i++; ; {
		i += plainPrefix(s[i:], true)
		switch {
		case i == len(s) || s[i] < ' ':
			return -1
		case s[i] == '"':
			return i + 1
		case i+1 < len(s) && s[i+1] == 'u':
			if len(s)-i < len(`\u0000`) || !isHex(s[i+2]) || !isHex(s[i+3]) || !isHex(s[i+4]) || !isHex(s[i+5]) {
				return -1
			}
			i += len(`\u0000`)
		case i+1 < len(s) && strings.IndexByte(`"\/bfnrt`, s[i+1]) >= 0:
			i += 2
		default:
			return -1
		}
	}
}

func isHex(c byte) bool { return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'f' }

// numberEnd gives where the number at i ends, -1 if there is none.
func numberEnd(s string, i int) int {
	if s[i] == '-' {
		i++
	}
	from := i
	if i = digits(s, i); i == from || s[from] == '0' && i > from+1 {
		return -1
	}
	if i < len(s) && s[i] == '.' {
		from = i + 1
		if i = digits(s, from); i == from {
			return -1
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		from = i
		if i = digits(s, i); i == from {
			return -1
		}
	}
	return i
}

// digits gives where the digits at i end.
func digits(s string, i int) int {
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return i
}
