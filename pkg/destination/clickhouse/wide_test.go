package clickhouse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestWideTable has as many columns as a table may have, with names as long as they may be.
func TestWideTable(t *testing.T) {
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		d, table := openWith(t, cfg), tableOf(t, "wide")
		cols := []schema.Column{}
		var row strings.Builder
		for i := range 2000 {
			name := fmt.Sprintf("%s %04d", strings.Repeat("n", maxColumnName-5), i)
			cols = append(cols, schema.Column{Name: name, Kind: schema.Int})
			fmt.Fprintf(&row, `,"%s":%d`, name, i)
		}
		if err := d.CreateTable(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		if err := d.AddColumns(t.Context(), table, cols); err != nil {
			t.Fatal(err)
		}
		b := destinationtest.Batch(rowid.NewSource(), "{"+row.String()[1:]+"}", "{}")
		if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != 2 || did.Rescued != 0 {
			t.Errorf("got %+v, %v, want 2 rows", did, err)
		}
		wantAnswer(t, d, "SELECT sum("+quote(cols[1999].Name)+"), count() FROM wide", "1999|2")
	})
}
