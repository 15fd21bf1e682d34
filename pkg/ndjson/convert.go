package ndjson

import (
	"bytes"
	"math"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// microsPerDay is how many microseconds a day has; dates and timestamps know no others.
const microsPerDay = 86_400_000_000

// convert puts the value raw, which is not null, into the column's row if that loses nothing. Else it reports false.
// Into a text column always the whole value goes.
func (d *Decoder) convert(c *column, row int, raw []byte) (ok bool) {
	if c.spec.op <= opJSON { // a text column's strings were read by textValue
		c.texts[row] = view(raw)
		return true
	}
	text, isText := d.text(raw)
	if c.spec.rowID && isText {
		if n, isID := rowid.Int63(view(text)); isID {
			return c.rowID(row, n)
		}
	}
	switch c.spec.op {
	case opBool:
		c.bools[row], ok = boolOf(raw, text, isText)
	case opInt:
		var negative bool
		var n uint64
		negative, n, ok = intOf(raw, text, isText)
		c.ints[row] = int64(n)
		if negative {
			c.ints[row] = -c.ints[row]
		}
		ok = ok && c.spec.holds(negative, n)
	case opUint:
		var negative bool
		negative, c.uints[row], ok = intOf(raw, text, isText)
		ok = ok && !negative
	case opFloat:
		c.floats[row], ok = c.spec.floatFrom(raw, text, isText, 64)
	case opFloat32:
		c.floats[row], ok = c.spec.floatFrom(raw, text, isText, 32)
	case opTimestamp:
		c.ints[row], ok = timestampOf(text, isText)
		ok = ok && c.spec.low <= c.ints[row] && c.ints[row] <= c.spec.high
	case opDate:
		c.ints[row], ok = dateOf(text, isText)
		ok = ok && c.spec.low <= c.ints[row] && c.ints[row] <= c.spec.high
	case opForeign:
		ok = d.batch.putForeign(c, row, raw, text, isText)
	}
	return ok
}

// rowID puts the number of a ULID into the column's row.
func (c *column) rowID(row int, n int64) bool {
	if c.spec.op == opUint {
		c.uints[row] = uint64(n)
		return true
	}
	c.ints[row] = n
	return c.spec.holds(false, uint64(n))
}

// text returns what a string means, with a quote after it; isText is false for other values. It leaves raw as it is.
func (d *Decoder) text(raw []byte) (text []byte, isText bool) {
	if raw[0] != '"' {
		return nil, false
	}
	text = raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		d.scratch = append(unescape(d.scratch[:0], text), '"')
		text = d.scratch[:len(d.scratch)-1]
	}
	return text, true
}

// holds reports whether the integer column can hold ±n.
func (s *spec) holds(negative bool, n uint64) bool {
	if negative {
		return n <= -uint64(s.low)
	}
	return n <= uint64(s.high)
}

// boolOf: true, false, 0 and 1, and the text of the first two.
func boolOf(raw, text []byte, isText bool) (value, ok bool) {
	if isText {
		raw = text
	}
	switch string(raw) {
	case "true":
		return true, true
	case "false":
		return false, true
	case "0", "1":
		return raw[0] == '1', !isText
	}
	return false, false
}

// intOf: a number that is an integer however it is written, text that is an integer as JSON writes one, true and false.
func intOf(raw, text []byte, isText bool) (negative bool, n uint64, ok bool) {
	if isText {
		if _, integer := numberText(text); !integer {
			return false, 0, false
		}
		raw = text
	}
	switch c := raw[0]; {
	case c == '-' || c-'0' <= 9:
		x := parseDecimal(raw)
		n, ok = x.uint()
		return x.negative, n, ok
	case c == 't':
		return false, 1, true
	case c == 'f':
		return false, 0, true
	}
	return false, 0, false
}

// floatFrom: a number as floatOf takes it, text that is one, true and false; and, where floats are copied, the words for
// those that JSON has none for, and the nearest float of a number, which is the one that was copied.
func (s *spec) floatFrom(raw, text []byte, isText bool, width int) (f float64, ok bool) {
	if isText {
		if f, ok = oddFloats[string(text)]; ok && s.copied > 0 {
			return f, true
		}
		if ok, _ = numberText(text); !ok {
			return 0, false
		}
		raw = text
	}
	switch c := raw[0]; {
	case c == '-' || c-'0' <= 9:
		if 0 < s.copied && s.copied <= width {
			f, err := strconv.ParseFloat(view(raw), width)
			return f, err == nil
		}
		return floatOf(raw, width)
	case c == 't':
		return 1, true
	case c == 'f':
		return 0, true
	}
	return 0, false
}

// oddFloats are the floats that are no JSON numbers.
var oddFloats = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}

// numberText reports whether all of text is a number as JSON writes it, and one without fraction and exponent. There is
// a quote after text, which ends the number.
func numberText(text []byte) (number, integer bool) {
	end, integer := scanNumber(text[:len(text)+1], 0)
	return end == len(text), integer && end == len(text)
}

// timestampOf: a timestamp's text, and a date's as its first instant.
func timestampOf(text []byte, isText bool) (micros int64, ok bool) {
	if !isText {
		return 0, false
	}
	if micros, ok = schema.ParseTimestamp(text); ok {
		return micros, true
	}
	days, ok := schema.ParseDate(text)
	return days * microsPerDay, ok
}

// dateOf: a date's text, and that of a timestamp which is a day's first instant.
func dateOf(text []byte, isText bool) (days int64, ok bool) {
	if !isText {
		return 0, false
	}
	if days, ok = schema.ParseDate(text); ok {
		return days, true
	}
	micros, ok := schema.ParseTimestamp(text)
	return micros / microsPerDay, ok && micros%microsPerDay == 0
}
