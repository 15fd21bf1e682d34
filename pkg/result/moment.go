package result

import (
	"strconv"
	"time"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

const (
	secondsPerDay = 24 * 60 * 60
	firstDay      = -719162 // 0001-01-01
	lastDay       = 2932896 // 9999-12-31
)

// wordCell gives the function for the types whose text needs quotes in JSON and none in CSV, nil for the others.
func wordCell(t vector.Type) cell {
	switch t.Kind {
	case vector.Date:
		return func(dst []byte, v *vector.Vector, i int) []byte { return appendDate(dst, v.Ints[i]) }
	case vector.Time:
		c := clockOf(t.Unit)
		return func(dst []byte, v *vector.Vector, i int) []byte {
			seconds, fraction := c.split(v.Ints[i])
			return c.appendTime(dst, seconds, fraction)
		}
	case vector.Timestamp:
		c, zone := clockOf(t.Unit), t.Zone
		return func(dst []byte, v *vector.Vector, i int) []byte { return c.appendTimestamp(dst, v.Ints[i], zone) }
	case vector.Interval:
		return func(dst []byte, v *vector.Vector, i int) []byte { return appendInterval(dst, v.Intervals[i]) }
	case vector.UUID:
		return appendUUID
	case vector.Blob:
		return appendBlob
	default:
		return nil
	}
}

// clock counts time in parts of a second.
type clock struct {
	parts  int64 // of a second
	places int   // digits of a part
}

// clockOf gives the clock that ticks once a unit; a type without unit ticks in microseconds.
func clockOf(unit time.Duration) clock {
	switch unit {
	case time.Second:
		return clock{1, 0}
	case time.Millisecond:
		return clock{1e3, 3}
	case time.Nanosecond:
		return clock{1e9, 9}
	default:
		return clock{1e6, 6}
	}
}

// split gives whole seconds, rounded down, and the parts that are left.
func (c clock) split(x int64) (seconds, fraction int64) {
	if c.parts == 1e6 { // a division by a constant is much faster, and this is the usual one
		seconds, fraction = x/1e6, x%1e6
	} else {
		seconds, fraction = x/c.parts, x%c.parts
	}
	if fraction < 0 {
		return seconds - 1, fraction + c.parts
	}
	return seconds, fraction
}

// appendTimestamp appends RFC 3339, with Z for an instant and without zone for a wall clock.
func (c clock) appendTimestamp(dst []byte, x int64, zone bool) []byte {
	if x == vector.Infinity || x == -vector.Infinity {
		return appendInfinity(dst, x)
	}
	seconds, fraction := c.split(x)
	days := seconds / secondsPerDay
	if seconds %= secondsPerDay; seconds < 0 {
		days, seconds = days-1, seconds+secondsPerDay
	}
	dst = append(appendDate(dst, days), 'T')
	dst = c.appendTime(dst, seconds, fraction)
	if zone {
		dst = append(dst, 'Z')
	}
	return dst
}

// appendTime appends HH:MM:SS and as much of the fraction as there is. 24:00:00 is a time.
func (c clock) appendTime(dst []byte, seconds, fraction int64) []byte {
	s := uint32(seconds)
	h, m, s := s/3600, s/60%60, s%60
	dst = append(dst, tens(h), units(h), ':', tens(m), units(m), ':', tens(s), units(s))
	return appendFraction(dst, uint64(fraction), c.places)
}

func tens(x uint32) byte  { return byte('0' + x/10) }
func units(x uint32) byte { return byte('0' + x%10) }

// appendDate appends YYYY-MM-DD. Years before 0001 and after 9999 get a sign and at least six digits, the expanded form
// of ISO 8601 that ECMAScript reads too.
func appendDate(dst []byte, days int64) []byte {
	if days == vector.Infinity || days == -vector.Infinity {
		return appendInfinity(dst, days)
	}
	year, month, day := civil(days)
	if days >= firstDay && days <= lastDay {
		y := uint32(year)
		century, y := y/100, y%100
		return append(dst, tens(century), units(century), tens(y), units(y), '-', tens(month), units(month), '-', tens(day), units(day))
	}
	sign := byte('+')
	if year < 0 {
		sign, year = '-', -year
	}
	dst = append(dst, sign)
	if year < 1e6 {
		dst = appendPadded(dst, uint64(year), 6)
	} else {
		dst = strconv.AppendInt(dst, year, 10)
	}
	return append(dst, '-', tens(month), units(month), '-', tens(day), units(day))
}

// civil gives the proleptic Gregorian date of a day since 1970-01-01. Years are counted from March here, so that the
// leap day is the last of its year.
func civil(days int64) (year int64, month, day uint32) {
	const perEra = 146097 // days in 400 years
	days += 719468        // since 0000-03-01
	era := days / perEra
	rest := days % perEra
	if rest < 0 {
		era, rest = era-1, rest+perEra
	}
	d := uint32(rest)
	y := (d - d/1460 + d/36524 - d/146096) / 365
	d -= 365*y + y/4 - y/100
	m := (5*d + 2) / 153
	day = d - (153*m+2)/5 + 1
	year = era*400 + int64(y)
	if m < 10 {
		return year, m + 3, day
	}
	return year + 1, m - 9, day
}

func appendInfinity(dst []byte, x int64) []byte {
	if x < 0 {
		dst = append(dst, '-')
	}
	return append(dst, "infinity"...)
}

// appendInterval appends an ISO 8601 duration. Its months, days and microseconds have signs of their own.
func appendInterval(dst []byte, x vector.IntervalValue) []byte {
	if x == (vector.IntervalValue{}) {
		return append(dst, "PT0S"...)
	}
	dst = append(dst, 'P')
	dst = appendPart(dst, int64(x.Months/12), 'Y')
	dst = appendPart(dst, int64(x.Months%12), 'M')
	dst = appendPart(dst, int64(x.Days), 'D')
	if x.Micros == 0 {
		return dst
	}
	dst = append(dst, 'T')
	dst = appendPart(dst, x.Micros/3600e6, 'H')
	dst = appendPart(dst, x.Micros/60e6%60, 'M')
	rest := x.Micros % 60e6
	if rest == 0 {
		return dst
	}
	if rest < 0 {
		dst, rest = append(dst, '-'), -rest
	}
	dst = strconv.AppendInt(dst, rest/1e6, 10)
	return append(appendFraction(dst, uint64(rest%1e6), 6), 'S')
}

func appendPart(dst []byte, x int64, letter byte) []byte {
	if x == 0 {
		return dst
	}
	return append(strconv.AppendInt(dst, x, 10), letter)
}
