package clickhouse

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"net/netip"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// What becomes of a JSON value in a column of a type that package ndjson does not know: the bytes that the server has of it,
// or, of several values in one, the text that it reads. What a type cannot hold without loss does not convert.

// converter reads values for a column of type t; nil when nothing converts. like is the type that they were copied from, nil if they
// were not.
func (r reach) converter(t typ, like *vector.Type) ndjson.Converter {
	if precision, scale, ok := t.decimal(); ok {
		return decimals(precision, scale)
	}
	switch t.name {
	case "Int128":
		return wides(16, true)
	case "UInt128":
		return wides(16, false)
	case "Int256":
		return wides(32, true)
	case "UInt256":
		return wides(32, false)
	case "UUID":
		return toUUID
	case "IPv4":
		return toIPv4
	case "IPv6":
		return toIPv6
	case "FixedString":
		return fixedTexts(t.number(0, 1))
	case "Enum8", "Enum16":
		return enums(t)
	case "DateTime":
		return r.times(0, 4)
	case "DateTime64":
		return r.times(t.number(0, 3), 8)
	case "JSON":
		return toJSON
	case "Array", "Map", "Tuple":
		return r.nested(t, like)
	}
	if strings.HasPrefix(t.name, "Interval") {
		return wides(8, true)
	}
	return nil
}

// number reads a decimal number as JSON writes one: its digits, and by which power of ten they are multiplied.
func number(raw, text []byte, isText bool) (digits *big.Int, exponent int, ok bool) {
	const most = 400 // no type has as many digits
	if isText {
		raw = text
	}
	switch {
	case !isText && string(raw) == "true":
		return big.NewInt(1), 0, true
	case !isText && string(raw) == "false":
		return new(big.Int), 0, true
	case len(raw) == 0 || len(raw) > most || isText && !jsonNumber(raw):
		return nil, 0, false
	}
	mantissa, power := raw, 0
	if at := bytes.IndexAny(raw, "eE"); at >= 0 {
		mantissa = raw[:at]
		if power, ok = smallInt(raw[at+1:]); !ok {
			return nil, 0, false
		}
	}
	whole, fraction, _ := strings.Cut(string(mantissa), ".")
	fraction = strings.TrimRight(fraction, "0")
	digits, ok = new(big.Int).SetString(whole+fraction, 10)
	return digits, power - len(fraction), ok
}

func smallInt(text []byte) (n int, ok bool) {
	sign := 1
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	if len(text) == 0 || len(text) > 5 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return sign * n, true
}

// jsonNumber reports whether text is a number as JSON writes one.
func jsonNumber(text []byte) bool {
	s := bytes.TrimPrefix(text, []byte("-"))
	digits := func() (n int) {
		for n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
		return n
	}
	n := digits()
	if n == 0 || n > 1 && s[0] == '0' {
		return false
	}
	if s = s[n:]; len(s) > 0 && s[0] == '.' {
		s = s[1:]
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	if len(s) > 0 && (s[0] == 'e' || s[0] == 'E') {
		_, ok := smallInt(s[1:])
		return ok
	}
	return len(s) == 0
}

// scaled gives the number times 10^scale, if that is an integer of no more than so many digits.
func scaled(raw, text []byte, isText bool, scale, most int) (*big.Int, bool) {
	n, exponent, ok := number(raw, text, isText)
	if !ok {
		return nil, false
	}
	if n.Sign() == 0 {
		return n, true
	}
	shift := exponent + scale
	if shift < -most-400 || shift > most {
		return nil, false
	}
	if shift >= 0 {
		n.Mul(n, power(shift))
	} else if _, rest := n.QuoRem(n, power(-shift), new(big.Int)); rest.Sign() != 0 {
		return nil, false
	}
	return n, true
}

func power(of int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(of)), nil) }

// decimalWidth is how many bytes the server has for a decimal number.
func decimalWidth(precision int) int {
	switch {
	case precision <= 9:
		return 4
	case precision <= 18:
		return 8
	case precision <= 38:
		return 16
	}
	return 32
}

func decimals(precision, scale int) ndjson.Converter {
	end, width := power(precision), decimalWidth(precision)
	return func(dst, raw, text []byte, isText bool) ([]byte, bool) {
		if !isText && (raw[0] == 't' || raw[0] == 'f') {
			return dst, false
		}
		n, ok := scaled(raw, text, isText, scale, precision+1)
		if !ok || n.CmpAbs(end) >= 0 {
			return dst, false
		}
		return appendWide(dst, n, width), true
	}
}

// wides reads integers of that many bytes.
func wides(width int, signed bool) ndjson.Converter {
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(8*width))
	if signed {
		high.Rsh(high, 1)
		low.Neg(high)
	}
	return func(dst, raw, text []byte, isText bool) ([]byte, bool) {
		if _, exponent, ok := number(raw, text, isText); !ok || isText && exponent != 0 {
			return dst, false
		}
		n, ok := scaled(raw, text, isText, 0, 80)
		if !ok || n.Cmp(low) < 0 || n.Cmp(high) >= 0 {
			return dst, false
		}
		return appendWide(dst, n, width), true
	}
}

// appendWide appends an integer in two's complement, its lowest byte first.
func appendWide(dst []byte, n *big.Int, width int) []byte {
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*width)))
	}
	from := len(dst)
	dst = append(dst, make([]byte, width)...)
	n.FillBytes(dst[from:])
	for i, j := from, len(dst)-1; i < j; i, j = i+1, j-1 {
		dst[i], dst[j] = dst[j], dst[i]
	}
	return dst
}

// toUUID reads a UUID in its usual form, of which the server has the upper half first.
func toUUID(dst, _, text []byte, isText bool) ([]byte, bool) {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if !isText || len(text) != len(form) {
		return dst, false
	}
	var n [16]byte
	at := 0
	for i, c := range text {
		if form[i] == '-' {
			if c != '-' {
				return dst, false
			}
			continue
		}
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' || c > '9' && c < 'A' {
			return dst, false
		}
		n[at/2] = n[at/2]<<4 | byte(digit)
		at++
	}
	dst = binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(n[:8]))
	return binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(n[8:])), true
}

func toIPv4(dst, _, text []byte, isText bool) ([]byte, bool) {
	a, err := netip.ParseAddr(string(text))
	if !isText || err != nil || !a.Is4() {
		return dst, false
	}
	b := a.As4()
	return append(dst, b[3], b[2], b[1], b[0]), true
}

func toIPv6(dst, _, text []byte, isText bool) ([]byte, bool) {
	a, err := netip.ParseAddr(string(text))
	if !isText || err != nil || a.Zone() != "" {
		return dst, false
	}
	b := a.As16() // of an IPv4 address the IPv6 one that stands for it
	return append(dst, b[:]...), true
}

func fixedTexts(width int) ndjson.Converter {
	return func(dst, raw, text []byte, isText bool) ([]byte, bool) {
		if !isText {
			text = raw
		}
		if len(text) > width {
			return dst, false
		}
		return append(append(dst, text...), make([]byte, width-len(text))...), true
	}
}

func enums(t typ) ndjson.Converter {
	numbers := map[string]int{}
	for _, w := range t.words() {
		numbers[w.text] = w.number
	}
	return func(dst, _, text []byte, isText bool) ([]byte, bool) {
		n, ok := numbers[string(text)]
		if !ok || !isText {
			return dst, false
		}
		return appendEnum(dst, t, n), true
	}
}

func appendEnum(dst []byte, t typ, number int) []byte {
	if t.name == "Enum8" {
		return append(dst, byte(int8(number)))
	}
	return binary.LittleEndian.AppendUint16(dst, uint16(int16(number)))
}

// times reads timestamps for a type that has so many digits after the second.
func (r reach) times(digits, width int) ndjson.Converter {
	return func(dst, _, text []byte, isText bool) ([]byte, bool) {
		if !isText {
			return dst, false
		}
		ticks, ok := r.ticks(text, digits)
		if !ok || width == 4 && (ticks < 0 || ticks > math.MaxUint32) {
			return dst, false
		}
		if width == 4 {
			return binary.LittleEndian.AppendUint32(dst, uint32(ticks)), true
		}
		return binary.LittleEndian.AppendUint64(dst, uint64(ticks)), true
	}
}

// ticks gives the time of a text, in units of so many digits after the second.
func (r reach) ticks(text []byte, digits int) (int64, bool) {
	text, nanos, ok := splitNanos(text)
	if !ok {
		return 0, false
	}
	micros, ok := schema.ParseTimestamp(text)
	if !ok {
		var days int64
		if days, ok = schema.ParseDate(text); !ok {
			return 0, false
		}
		micros = days * int64(24*time.Hour/time.Microsecond)
	}
	if micros < r.first || micros > r.last {
		return 0, false
	}
	for ; digits < 6; digits++ {
		if micros%10 != 0 {
			return 0, false
		}
		micros /= 10
	}
	for i := 6; i < 9; i++ {
		unit := nanos / 100
		nanos = nanos % 100 * 10
		if i >= digits {
			if unit != 0 {
				return 0, false
			}
			continue
		}
		if micros > (math.MaxInt64-9)/10 || micros < (math.MinInt64+9)/10 {
			return 0, false
		}
		micros = micros*10 + int64(unit)
	}
	return micros, true
}

// splitNanos takes the 7th to 9th digit after the second out of a timestamp's text.
func splitNanos(text []byte) (rest []byte, nanos int, ok bool) {
	dot := bytes.IndexByte(text, '.')
	if dot < 0 {
		return text, 0, true
	}
	end := dot + 1
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	fraction := bytes.TrimRight(text[dot+1:end], "0")
	if len(fraction) <= 6 {
		return text, 0, true
	}
	if len(fraction) > 9 {
		return text, 0, false
	}
	for i := 6; i < 9; i++ {
		nanos *= 10
		if i < len(fraction) {
			nanos += int(fraction[i] - '0')
		}
	}
	return append(append([]byte(nil), text[:dot+7]...), text[end:]...), nanos, true
}

// toJSON takes objects: the server's type has no other values at its top.
func toJSON(dst, raw, text []byte, isText bool) ([]byte, bool) {
	if isText {
		raw = text
	}
	if len(raw) == 0 || raw[0] != '{' || isText && !validJSON(raw) {
		return dst, false
	}
	return append(dst, raw...), true
}
