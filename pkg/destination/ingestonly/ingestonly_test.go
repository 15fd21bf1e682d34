package ingestonly

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func TestEveryCallSaysThatOthersHaveIt(t *testing.T) {
	d, err := Open(t.Context(), DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil || DefaultConfig().Validate() != nil {
		t.Fatal(err)
	}
	var table schema.Table
	_, columns := d.Columns(t.Context(), table)
	_, load := d.Load(t.Context(), table, destination.Batch{})
	_, tables := d.Tables(t.Context())
	r, ok := d.(destination.Rescuer)
	if !ok {
		t.Fatal("it says that no node could put rescued values back")
	}
	_, restore := r.Restore(t.Context(), table, nil)
	for name, err := range map[string]error{
		"CreateTable": d.CreateTable(t.Context(), table), "Columns": columns, "AddColumns": d.AddColumns(t.Context(), table, nil),
		"Load": load, "Query": d.Query(t.Context(), "SELECT 1", nil, nil), "Tables": tables,
		"Rescued": r.Rescued(t.Context(), table, nil), "CountRescued": r.CountRescued(t.Context(), table, nil), "Restore": restore,
	} {
		if !errors.Is(err, destination.ErrElsewhere) {
			t.Errorf("%s: got %v, want %v", name, err, destination.ErrElsewhere)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
