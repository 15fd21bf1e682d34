package destinationtest

import (
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// exact are filters on columns of exact numbers. A number with more digits than the column's is none of its values, but lies
// between two of them.
var exact = []Filter{
	{"d=eq.2", "1"}, {"d=eq.2.000", "1"}, {"d=eq.200e-2", "1"}, {"d=eq.1.999", ""}, {"d=eq.2.001", ""}, {"d=in.(1.999,2.004)", ""}, {"d=in.(1.999,2)", "1"},
	{"d=neq.1.999", "1 3 4"}, {"d=not.eq.1.999", "1 3 4"}, {"d=not.in.(1.999)", "1 3 4"}, {"d=not.in.(1.999,2)", "3 4"},
	{"d=isdistinct.1.999", "1 2 3 4"}, {"d=not.isdistinct.1.999", ""}, {"d=isdistinct.2", "2 3 4"},
	{"d=gt.1.999", "1 4"}, {"d=gte.1.999", "1 4"}, {"d=gt.2.001", "4"}, {"d=gte.2.001", "4"}, {"d=lt.2.001", "1 3"}, {"d=lte.2.001", "1 3"}, {"d=lt.1.999", "3"}, {"d=lte.1.999", "3"},
	{"d=gt.-2.001", "1 3 4"}, {"d=gte.-1.999", "1 4"}, {"d=lt.-1.999", "3"}, {"d=lte.-2.001", ""}, {"d=gt.9999999.994", ""}, {"d=lt.9999999.999", "1 3 4"}, {"d=gt.-9999999.999", "1 3 4"},
	{"d=gt.-1e-9", "1 4"}, {"d=lt.1e-9", "3"}, {"d=eq(any).{1.999,2}", "1"}, {"d=gt(all).{1.999,1.9}", "1 4"},
	{"w=eq.9999999999999999999999999999.0000000001", "4"}, {"w=eq.9999999999999999999999999999.00000000009", ""},
	{"w=gt.9999999999999999999999999999.00000000009", "4"}, {"w=lt.-9999999999999999999999999999.00000000009", "3"},
	{"h=eq.2", "1"}, {"h=gt.4", "3 4"}, {"h=eq.170141183460469231731687303715884105727", "4"},
}

// inexact are values that columns of exact numbers do not take.
var inexact = []string{"h=eq.1.6", "h=eq.2.4", "h=gt.4.6", "h=in.(2,2.4)", "h=isdistinct.1.6", "d=eq.x", "d=gt.NaN"}

// PostgRESTExact checks filters on the columns d of 9 digits, 2 of them after the point, w of 38, 10 of them after the point, and
// h of 128 bits, of the table exact. Its rows have the ids 1 to 4 and in d 2, NULL, -2 and 9999999.99, in w 2, NULL, and the
// numbers of 28 times the digit 9 and .0000000001, negative and positive, and in h 2, NULL, 5 and the largest.
func PostgRESTExact(t *testing.T, d Filtered) {
	table := tableOf(t, "exact")
	cols, err := d.Columns(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range exact {
		wantFiltered(t, d, f, table, cols)
	}
	for _, query := range inexact {
		if out, st, err := Rest(t, d, query, table, cols); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: got %v, %v, want fault.Invalid: %s", query, out, err, st.SQL)
		}
	}
}
