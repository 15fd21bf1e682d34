package destinationtest

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Copy loads the answer that from gives to query into the table name of to, which is made when it is missing, as a copy does.
func Copy(t *testing.T, from destination.Destination, query string, to destination.Destination, name string) destination.Loaded {
	t.Helper()
	var rows bytes.Buffer
	enc := result.NewRows(&rows, rowid.NewSource(), 1<<20)
	if err := from.Query(t.Context(), query, nil, enc); err != nil {
		t.Fatal(err)
	}
	table := tableOf(t, name)
	cols := []schema.Column{{Name: schema.BatchFile, Kind: schema.Text}, {Name: schema.Rescued, Kind: schema.Text}}
	for _, s := range enc.Seen() {
		if s.Name != schema.Rescued && s.Kinds.Join() != schema.Null {
			cols = append(cols, schema.Column{Name: s.Name, Kind: s.Kinds.Join(), Like: s.Type})
		}
	}
	if err := to.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	if err := to.AddColumns(t.Context(), table, cols); err != nil {
		t.Fatal(err)
	}
	count, _ := enc.Count()
	did, err := to.Load(t.Context(), table, destination.Batch{ID: rowid.NewSource().Batch(), Rows: count, Seen: enc.Seen(),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(rows.Bytes())), nil }})
	if err != nil {
		t.Fatalf("load: %v\n%s", err, rows.Bytes())
	}
	return did
}
