package result

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// floatDigits is how many decimal digits every 64-bit float keeps.
const floatDigits = 15

// exactCell gives the function for the types that rows for another database write otherwise than answers do, nil for
// the others.
func (n notation) exactCell(t vector.Type) cell {
	switch {
	case t.Kind == vector.Float:
		return floatCell(t, notNumbers{`"NaN"`, `"Infinity"`, `"-Infinity"`})
	case t.Kind == vector.JSON && !n.inner: // its text stays as it is, and null is not NULL
		return func(dst []byte, v *vector.Vector, i int) []byte { return appendJSONString(dst, v.Texts[i]) }
	case t.Kind == vector.JSON:
		return func(dst []byte, v *vector.Vector, i int) []byte { return appendCompactJSON(dst, v.Texts[i]) }
	case t.Kind == vector.Interval:
		return func(dst []byte, v *vector.Vector, i int) []byte {
			return append(appendSpelledInterval(append(dst, '"'), v.Intervals[i]), '"')
		}
	case t.Kind == vector.Number:
		return func(dst []byte, v *vector.Vector, i int) []byte {
			return append(append(append(dst, '"'), v.Texts[i]...), '"')
		}
	case t.Kind == vector.Decimal && n.inner && t.Precision > floatDigits:
		number := numberCell(t) // databases read a number inside JSON as a float
		return func(dst []byte, v *vector.Vector, i int) []byte { return append(number(append(dst, '"'), v, i), '"') }
	}
	return nil
}

// appendCompactJSON appends JSON text without white space between its tokens, and what is no JSON, or none that rows may
// have, as a string.
func appendCompactJSON(dst []byte, s string) []byte {
	from := len(dst)
	if utf8.ValidString(s) {
		b := bytes.NewBuffer(dst)
		if json.Compact(b, []byte(s)) == nil && canonical(b.Bytes()[from:]) {
			return b.Bytes()
		}
	}
	return appendJSONString(dst[:from], s)
}

// maxNesting is how deep JSON may nest inside a row's value: package ndjson reads five times that.
const maxNesting = 1000

// canonical reports whether compact JSON, which is valid, nests no deeper than it may, and its escapes are characters: JSON
// allows half of a surrogate pair, rows do not.
func canonical(b []byte) bool {
	depth, text := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			text = !text
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return false
			}
			i += n - 1
		case text:
		case c == '[' || c == '{':
			if depth++; depth > maxNesting {
				return false
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return true
}

// escapeLen gives the length of the escape at the start of b, and 0 for half of a surrogate pair.
func escapeLen(b []byte) int {
	if b[1] != 'u' {
		return len(`\n`)
	}
	if b[2]|0x20 != 'd' || b[3] < '8' {
		return len(`\u0000`)
	}
	high := b[3]|0x20 < 'c'
	if high && len(b) >= len(`\u0000\u0000`) && b[6] == '\\' && b[7] == 'u' && b[8]|0x20 == 'd' && b[9]|0x20 >= 'c' {
		return len(`\u0000\u0000`)
	}
	return 0
}

// appendSpelledInterval appends a span of time in the words that PostgreSQL prints, which databases read: each part has a
// sign of its own.
func appendSpelledInterval(dst []byte, x vector.IntervalValue) []byte {
	from := len(dst)
	part := func(n int64, word string) {
		if n == 0 {
			return
		}
		if len(dst) > from {
			dst = append(dst, ' ')
		}
		dst = append(append(strconv.AppendInt(dst, n, 10), ' '), word...)
	}
	part(int64(x.Months/12), "years")
	part(int64(x.Months%12), "months")
	part(int64(x.Days), "days")
	if x.Micros == 0 && len(dst) > from {
		return dst
	}
	if len(dst) > from {
		dst = append(dst, ' ')
	}
	return appendClock(dst, x.Micros)
}

// appendClock appends -HH:MM:SS.ffffff, with as many digits of hours as there are.
func appendClock(dst []byte, micros int64) []byte {
	rest := uint64(micros)
	if micros < 0 {
		dst, rest = append(dst, '-'), -rest
	}
	seconds := rest / 1e6
	if hours := seconds / 3600; hours < 100 {
		dst = appendPadded(dst, hours, 2)
	} else {
		dst = strconv.AppendUint(dst, hours, 10)
	}
	dst = appendPadded(append(dst, ':'), seconds/60%60, 2)
	dst = appendPadded(append(dst, ':'), seconds%60, 2)
	return appendFraction(dst, rest%1e6, 6)
}
