package postgrest

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// The databases' own types of exact numbers. Their engines round a text that such a column is compared with to what the
// column can hold, and would find rows that are not equal.
var (
	wideInteger = regexp.MustCompile(`^(?:U?HUGEINT|(?:Nullable\()?U?Int(?:128|256)\)?)$`)
	decimalType = regexp.MustCompile(`^(?:DECIMAL|(?:Nullable\()?Decimal)\([0-9]+, ?([0-9]+)\)+$`)
)

// whole reports whether a column holds integers alone.
func whole(c schema.Column) bool {
	return c.Kind == schema.Int || c.Kind == schema.Foreign && wideInteger.MatchString(c.Type)
}

// scaleOf gives how many digits after the point the values of a column of decimal numbers have.
func scaleOf(c schema.Column) (scale int, ok bool) {
	if c.Kind != schema.Foreign {
		return 0, false
	}
	m := decimalType.FindStringSubmatch(c.Type)
	if m == nil {
		return 0, false
	}
	scale, err := strconv.Atoi(m[1])
	return scale, err == nil
}

// decimal is what PostgreSQL reads as a number that is one: its sign, the digits before and after the point, and the exponent.
var decimal = regexp.MustCompile(`^\s*([-+]?)([0-9]*)\.?([0-9]*)(?:[eE]([-+]?[0-9]{1,6}))?\s*$`)

// isDecimal reports whether a text is a number with a digit at least.
func isDecimal(text string) bool {
	m := decimal.FindStringSubmatch(text)
	return m != nil && m[2]+m[3] != ""
}

// cut gives the number next to the one that text spells, towards zero, that has no more than scale digits after the point;
// ok is false when it is the same number.
func cut(text string, scale int) (short string, ok bool) {
	m := decimal.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	digits, point := strings.TrimRight(m[2]+m[3], "0"), len(m[2])
	if m[4] != "" {
		e, _ := strconv.Atoi(m[4])
		point += e
	}
	if strings.Trim(digits, "0") == "" || len(digits)-point <= scale {
		return "", false
	}
	if point < 0 {
		digits, point = strings.Repeat("0", min(-point, scale))+digits, 0
	}
	short = m[1] + digits[:point]
	if point == 0 {
		short += "0"
	}
	if scale > 0 {
		short += "." + digits[point:point+scale]
	}
	return short, true
}

// beside compares a column with a number that none of its values is, because it has more digits after the point: it lies
// between low, the next towards zero, and the one after. Of NULL the answer is NULL, as it is of every comparison.
func (f *filter) beside(w *writer, c schema.Column, expr, low string) string {
	negative := strings.Contains(low, "-")
	switch f.op {
	case "eq", "in":
		return expr + " <> " + expr
	case "neq":
		return expr + " = " + expr
	case "isdistinct":
		return always
	case "gt", "gte":
		if negative {
			return expr + " >= " + w.param(c, low)
		}
		return expr + " > " + w.param(c, low)
	default: // lt, lte
		if negative {
			return expr + " < " + w.param(c, low)
		}
		return expr + " <= " + w.param(c, low)
	}
}
