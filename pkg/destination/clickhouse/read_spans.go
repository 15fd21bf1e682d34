package clickhouse

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Spans of time. Each of the server's types has one unit; package vector has months, days and microseconds apart.

// monthSpan is a type that counts so many months.
func monthSpan(months int64) plainType {
	return span(months, math.MaxInt32, func(n int64) vector.IntervalValue { return vector.IntervalValue{Months: int32(n)} })
}

// daySpan is a type that counts so many days.
func daySpan(days int64) plainType {
	return span(days, math.MaxInt32, func(n int64) vector.IntervalValue { return vector.IntervalValue{Days: int32(n)} })
}

// clockSpan is a type that counts so many microseconds.
func clockSpan(micros int64) plainType {
	return span(micros, math.MaxInt64, func(n int64) vector.IntervalValue { return vector.IntervalValue{Micros: n} })
}

// span is a type that counts in a unit of which the vector has that many, most at most.
func span(unit, most int64, of func(n int64) vector.IntervalValue) plainType {
	return plainType{vector.Type{Kind: vector.Interval}, 8, func(c *columnReader, in *proto.Reader, n int) error {
		raw, err := c.bytes(in, n, 8)
		if err != nil {
			return err
		}
		c.intervals = resize(c.intervals, n)
		for i := range c.intervals {
			count := int64(binary.LittleEndian.Uint64(raw[8*i:]))
			if (count > most/unit || count < -most/unit) && !c.vec.IsNull(i) {
				return fault.New(fault.Invalid, "value_out_of_range", "the answer has an %s of %d, which is longer than answers can have: cast it to text", c.vec.Type.Name, count)
			}
			c.intervals[i] = of(count * unit)
		}
		c.vec.Intervals = c.intervals
		return nil
	}}
}

// printNanoseconds prints a span of nanoseconds as ISO 8601, like the others, though package vector has no place for it.
func printNanoseconds(dst, value []byte) []byte {
	n := int64(binary.LittleEndian.Uint64(value))
	if n == 0 {
		return append(dst, "PT0S"...)
	}
	dst = append(dst, "PT"...)
	rest := uint64(n)
	if n < 0 {
		rest = -rest
	}
	sign := func() {
		if n < 0 {
			dst = append(dst, '-')
		}
	}
	for _, part := range [...]struct {
		size uint64
		name byte
	}{{3600e9, 'H'}, {60e9, 'M'}} {
		if rest >= part.size {
			sign()
			dst = append(strconv.AppendUint(dst, rest/part.size, 10), part.name)
			rest %= part.size
		}
	}
	if rest > 0 {
		sign()
		dst = append(appendFraction(strconv.AppendUint(dst, rest/1e9, 10), rest%1e9, 9), 'S')
	}
	return dst
}

// printTime prints a time of day, which may be up to 999 hours before or after midnight, in so many digits of a second.
func printTime(digits int) func(dst, value []byte) []byte {
	parts := uint64(math.Pow10(digits))
	return func(dst, value []byte) []byte {
		var n int64
		if len(value) == 4 {
			n = int64(int32(binary.LittleEndian.Uint32(value)))
		} else {
			n = int64(binary.LittleEndian.Uint64(value))
		}
		rest := uint64(n)
		if n < 0 {
			dst, rest = append(dst, '-'), -rest
		}
		seconds := rest / parts
		dst = append(appendPadded(dst, seconds/3600, 2), ':')
		dst = append(appendPadded(dst, seconds/60%60, 2), ':')
		return appendFraction(appendPadded(dst, seconds%60, 2), rest%parts, digits)
	}
}

// appendPadded appends n in width digits at least.
func appendPadded(dst []byte, n uint64, width int) []byte {
	text := strconv.AppendUint(nil, n, 10)
	for range width - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// appendFraction appends a point and n as so many digits, without zeros at the end; nothing for 0.
func appendFraction(dst []byte, n uint64, digits int) []byte {
	if n == 0 {
		return dst
	}
	for ; n%10 == 0; digits-- {
		n /= 10
	}
	return appendPadded(append(dst, '.'), n, digits)
}
