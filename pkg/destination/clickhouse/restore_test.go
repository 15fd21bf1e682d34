package clickhouse

import (
	"errors"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestRestoreIntoTypesOfTheServer: what was rescued goes into columns of any type, but not into the table's key.
func TestRestoreIntoTypesOfTheServer(t *testing.T) {
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		d, table := openWith(t, cfg), tableOf(t, "t")
		mustExec(t, d, "CREATE TABLE t (__row_id String, __rescued Nullable(String), k Int64) ENGINE = MergeTree ORDER BY k")
		b := destinationtest.Batch(newIDs(), `{"k":1,"a":1.25,"b":["x"],"c":null,"d":"sad"}`, `{"k":2,"a":"many"}`, `{"k":"three"}`, `{"k":4,"c":7}`)
		if did, err := d.Load(t.Context(), table, b); err != nil || did.Rescued != 6 {
			t.Fatalf("got %+v, %v, want 6 rescued values", did, err)
		}
		mustExec(t, d, "ALTER TABLE t ADD COLUMN a Decimal(9, 2), ADD COLUMN b Array(LowCardinality(String)), ADD COLUMN c Nullable(Int32) DEFAULT 5, ADD COLUMN d Enum8('ok' = 1, 'sad' = 2)")
		did, err := d.Restore(t.Context(), table, map[string]schema.Kind{"k": schema.Int})
		if want := (destination.Restored{Rows: 1, Values: 3, Left: 3}); err != nil || did != want {
			t.Errorf("got %+v, %v, want %+v", did, err, want)
		}
		wantAnswer(t, d, "SELECT k, toString(a), toString(b), toString(c), d, __rescued FROM t ORDER BY k, __row_id",
			`0|0|[]|5|ok|{"k":"three"}`, `1|1.25|['x']|5|sad|NULL`, `2|0|[]|5|ok|{"a":"many"}`, `4|0|[]|5|ok|{"c":7}`)
		wantAnswer(t, d, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE '%restore%'", "0")
	})
}

func TestRestoreOfOtherEngines(t *testing.T) {
	d, table := openWith(t, configOf(servertest.ClickHouse(t))), tableOf(t, "t")
	mustExec(t, d, "CREATE TABLE t (__row_id String, __rescued String, n Int64) ENGINE = StripeLog")
	if _, err := d.Load(t.Context(), table, destinationtest.Batch(newIDs(), `{"n":"x"}`, `{"n":1.5}`)); err != nil {
		t.Fatal(err)
	}
	if did, err := d.Restore(t.Context(), table, nil); err != nil || did != (destination.Restored{Left: 2}) {
		t.Errorf("got %+v, %v, want 2 left", did, err)
	}
	mustExec(t, d, "DROP TABLE t SYNC")
	mustExec(t, d, "CREATE TABLE t (__row_id String, __rescued String, n String) ENGINE = StripeLog")
	if _, err := d.Load(t.Context(), table, destinationtest.Batch(newIDs(), `{"m":"x","__rescued":{"n":1}}`)); err != nil {
		t.Fatal(err)
	}
	if did, err := d.Restore(t.Context(), table, nil); !errors.Is(err, fault.Unsupported) {
		t.Errorf("got %+v, %v, want fault.Unsupported", did, err)
	}
}
