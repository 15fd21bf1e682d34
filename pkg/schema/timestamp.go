package schema

import "encoding/binary"

// Lengths of the forms.
const (
	dateLen   = len("2006-01-02")
	minuteLen = len("2006-01-02T15:04")
	secondLen = len(":05")
	zoneLen   = len("+07:00")
)

const (
	microsPerSecond = 1_000_000
	secondsPerDay   = 86_400
	firstDay        = -719_162  // 0001-01-01
	lastDay         = 2_932_896 // 9999-12-31
)

// ParseDate reads YYYY-MM-DD, a day of the years 0001 to 9999, as days since 1970-01-01.
func ParseDate(b []byte) (days int64, ok bool) {
	if len(b) != dateLen {
		return 0, false
	}
	return date(b)
}

// ParseTimestamp reads YYYY-MM-DD, 'T', 't' or a space, HH:MM, then optionally :SS and a fraction, then optionally Z, z
// or ±HH:MM, as microseconds since 1970-01-01T00:00:00Z. Without a zone it is UTC. What would not come back the same is
// not ok: a leap second, a fraction finer than a microsecond, an instant that is outside the years 0001 to 9999 in UTC.
func ParseTimestamp(b []byte) (micros int64, ok bool) {
	if len(b) < minuteLen || b[10]|0x20 != 't' && b[10] != ' ' {
		return 0, false
	}
	days, ok := date(b)
	// Eight bytes are read together, the T left out: DD_hh:mm.
	w, good := digits(binary.LittleEndian.Uint64(b[8:])&^(0xff<<16), 0x30_30_3a_30_30_00_30_30, 0x76_76_7f_76_76_7f_76_76)
	hour, minute := w>>24&0xff, w>>48&0xff
	if !ok || !good || hour > 23 || minute > 59 {
		return 0, false
	}
	var second, fraction int64
	b = b[minuteLen:]
	if len(b) >= secondLen && b[0] == ':' {
		s := twoDigits(b[1], b[2])
		if s > 59 {
			return 0, false
		}
		second = int64(s)
		if b = b[secondLen:]; len(b) > 0 && b[0] == '.' {
			if fraction, b, ok = parseFraction(b[1:]); !ok {
				return 0, false
			}
		}
	}
	offset, ok := parseZone(b)
	if !ok {
		return 0, false
	}
	seconds := days*secondsPerDay + int64(hour)*3600 + int64(minute)*60 + second - offset
	if seconds < firstDay*secondsPerDay || seconds >= (lastDay+1)*secondsPerDay {
		return 0, false
	}
	return seconds*microsPerSecond + fraction, true
}

// date reads the first ten bytes of b.
func date(b []byte) (days int64, ok bool) {
	_ = b[9]
	w, ok := digits(binary.LittleEndian.Uint64(b), 0x2d_30_30_2d_30_30_30_30, 0x7f_76_76_7f_76_76_76_76)
	year, month, day := uint(w&0xff*100+w>>16&0xff), uint(w>>40&0xff), twoDigits(b[8], b[9])
	if !ok || month-1 > 11 || day-1 > 30 {
		return 0, false
	}
	if year == 0 || day > 28 && day > daysIn(year, month) {
		return 0, false
	}
	// The year begins in March here, so that the leap day is its last; see the Gregorian calendar's 400 years of
	// 146,097 days.
	if month <= 2 {
		year--
		month += 12
	}
	n := 365*year + year/4 - year/100 + year/400 + (153*month-457)/5 + day
	return int64(n) - 719_469, true
}

func daysIn(year, month uint) uint {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// digits checks eight bytes of text at once and makes numbers of its pairs of digits, each where its first digit is. The
// form has '0' where a digit is to be and else the byte that must be there; limits has what makes a byte that is too
// large reach 0x80: 0x76 for a digit, 0x7f for a fixed byte.
func digits(text, form, limits uint64) (pairs uint64, ok bool) {
	const highs = 0x8080808080808080
	x := text ^ form
	return x*10 + x>>8, ((x&^highs+limits)|x)&highs == 0
}

// notDigits is more than any two digits are.
const notDigits = 1000

func twoDigits(a, b byte) uint {
	a, b = a-'0', b-'0'
	if a > 9 || b > 9 {
		return notDigits
	}
	return uint(a)*10 + uint(b)
}

// parseFraction reads up to nine digits, of which those after the sixth must be zero, and returns what follows them.
func parseFraction(b []byte) (micros int64, rest []byte, ok bool) {
	n := 0
	for ; n < len(b) && b[n]-'0' <= 9; n++ {
		if n < 6 {
			micros = micros*10 + int64(b[n]-'0')
		} else if b[n] != '0' {
			return 0, nil, false
		}
	}
	for i := n; i < 6; i++ {
		micros *= 10
	}
	return micros, b[n:], 1 <= n && n <= 9
}

// parseZone reads all of b as a zone and returns its distance from UTC in seconds.
func parseZone(b []byte) (seconds int64, ok bool) {
	switch {
	case len(b) == 0, len(b) == 1 && b[0]|0x20 == 'z':
		return 0, true
	case len(b) != zoneLen || b[3] != ':':
		return 0, false
	}
	hour, minute := twoDigits(b[1], b[2]), twoDigits(b[4], b[5])
	if hour > 23 || minute > 59 {
		return 0, false
	}
	seconds = int64(hour)*3600 + int64(minute)*60
	switch b[0] {
	case '+':
		return seconds, true
	case '-':
		return -seconds, true
	}
	return 0, false
}
