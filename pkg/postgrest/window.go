package postgrest

import (
	"math"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// NoLimit is the Limit of a range that goes to the last row.
const NoLimit = -1

// Range is the rows asked for: at most Limit after the first Offset.
type Range struct {
	Offset int64
	Limit  int64 // NoLimit, or 0 and more
}

// ContentRange gives the header for an answer of rows rows; a total below 0 is not known.
func (r Range) ContentRange(rows, total int64) string {
	of := "*"
	if total >= 0 {
		of = strconv.FormatInt(total, 10)
	}
	if rows <= 0 {
		return "*/" + of
	}
	return strconv.FormatInt(r.Offset, 10) + "-" + strconv.FormatInt(r.Offset+rows-1, 10) + "/" + of
}

// last is the number of the last row of r, which is not empty.
func (r Range) last() int64 {
	if r.Limit == NoLimit || r.Limit-1 > math.MaxInt64-r.Offset {
		return math.MaxInt64
	}
	return r.Offset + r.Limit - 1
}

// and gives the rows that are in both; none makes its Limit 0.
func (r Range) and(s Range) Range {
	first, last := max(r.Offset, s.Offset), min(r.last(), s.last())
	switch {
	case last == math.MaxInt64:
		return Range{first, NoLimit}
	case last < first:
		return Range{first, 0}
	}
	return Range{first, last - first + 1}
}

// rangeOf gives the rows that limit and offset and the Range header have in common, as PostgREST does. A limit of 0 wins
// over the header; other ranges without rows are mistakes.
func rangeOf(params map[string]string, r Request) (asked Range, err error) {
	if asked.Limit, err = rows(params, "limit", NoLimit); err != nil {
		return Range{}, err
	}
	if asked.Offset, err = rows(params, "offset", 0); err != nil {
		return Range{}, err
	}
	header, err := rangeHeader(r.Range, r.RangeUnit)
	if err != nil || asked.Limit == 0 {
		return asked, err
	}
	both := asked.and(header)
	if both.Limit == 0 {
		return Range{}, badRange("the Range header %s and limit and offset have no rows in common", show(r.Range))
	}
	return both, nil
}

// rows reads a parameter that is a number of rows.
func rows(params map[string]string, name string, absent int64) (int64, error) {
	text, given := params[name]
	if !given {
		return absent, nil
	}
	n, ok := digits(text)
	if !ok {
		return 0, badRange("parameter %q: %s is not a number of rows", name, show(text))
	}
	return n, nil
}

// rangeHeader reads a Range header: first-last or first-, after "items=" or with Range-Unit: items.
func rangeHeader(text, unit string) (Range, error) {
	all := Range{0, NoLimit}
	text, unit = strings.TrimSpace(text), strings.TrimSpace(unit)
	if before, after, ok := strings.Cut(text, "="); ok { // the form of RFC 9110
		unit, text = before, after
	}
	switch {
	case text == "" || unit == "bytes": // RFC 9110 wants units that are not spoken here ignored; browsers ask for bytes
		return all, nil
	case unit != "" && unit != "items":
		return all, badRange("the range unit %s is not known: it is items", show(unit))
	}
	from, to, _ := strings.Cut(text, "-")
	first, ok := digits(from)
	if ok && text == from+"-" {
		return Range{first, NoLimit}, nil
	}
	last, isNumber := digits(to)
	switch {
	case !ok || !isNumber:
		return all, badRange("the Range header %s is neither first-last nor first-", show(text))
	case last < first:
		return all, badRange("the Range header %s ends before it begins", show(text))
	case last == math.MaxInt64:
		return Range{first, NoLimit}, nil
	}
	return Range{first, last - first + 1}, nil
}

// digits reads a number that has nothing but digits.
func digits(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63) // takes no sign
	return int64(n), err == nil
}

func badRange(format string, args ...any) error {
	return fault.New(fault.Invalid, "bad_range", format, args...)
}
