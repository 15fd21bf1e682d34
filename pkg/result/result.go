// Package result encodes the rows of a query's answer.
package result

import "github.com/scratchdata/scratchdata/pkg/vector"

// Writer takes a query's answer as it arrives. Calls come one at a time, in the order Begin, Write…, End; the first
// error of any of them ends the query. An answer without End is not complete.
type Writer interface {
	// Begin tells the columns, once, before any row.
	Begin(cols []vector.Field) error
	// Write takes the next rows. b and all it points to are the caller's again when Write returns.
	Write(b *vector.Batch) error
	// End says that all rows were written.
	End() error
}
