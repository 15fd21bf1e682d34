package clickhouse

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestRestoreOnReplicas: what was rescued goes into its columns on every host, also on one that was away.
func TestRestoreOnReplicas(t *testing.T) {
	c := servertest.ClickHouseReplicas(t)
	d := openWith(t, clusterConfig(c, 0, 1))
	t.Run("types of the server", func(t *testing.T) { restoreTypes(t, c, d) })
	t.Run("rows with the same key", func(t *testing.T) {
		for _, n := range c.Nodes {
			n.Exec(t, "CREATE TABLE events.same (__rescued String, n Nullable(Int64), m Nullable(Int64)) ENGINE = ReplicatedMergeTree('/same', '{replica}') ORDER BY ()")
		}
		mustExec(t, d, sameKey)
		restoreSameKey(t, d)
	})
	t.Run("a mutation that fails", func(t *testing.T) { restoreFailing(t, c, d) })
	t.Run("many rows", func(t *testing.T) { restoreMany(t, c, d) })
	t.Run("a host is away", func(t *testing.T) { restoreWithout(t, c, d) })
}

// mustRestore restores and wants just that.
func mustRestore(t *testing.T, d *Destination, table schema.Table, was map[string]schema.Kind, want destination.Restored) {
	t.Helper()
	if did, err := d.Restore(t.Context(), table, was); err != nil || did != want {
		t.Errorf("got %+v, %v, want %+v", did, err, want)
	}
}

// restoreTypes: values of the server's own types go there as if they came now. Nothing was done to the table before, which
// has replicas nevertheless that know all of that.
func restoreTypes(t *testing.T, c *servertest.ClickHouseCluster, d *Destination) {
	table := tableOf(t, "typed")
	for _, n := range c.Nodes {
		n.Exec(t, "CREATE TABLE events.typed (__row_id String, __rescued Nullable(String), k Int64) ENGINE = ReplicatedMergeTree('/typed', '{replica}') ORDER BY k")
	}
	b := destinationtest.Batch(newIDs(),
		`{"k":1,"a":1.25,"b":["x","it's \\\u0000"],"c":null,"d":"sad","e":"2020-10-25T01:30:00.5Z","f":{"x":1},"g":["y",2],"h":"61f0c404-5cb3-11e7-907b-a6006ad3dba0","i":"ab","j":{"q":[1]}}`,
		`{"k":2,"a":"many","e":"2020-10-25T00:30:00.5Z"}`, `{"k":"three"}`, `{"k":4,"c":7}`, `{"k":5,"a":-0.01}`)
	if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != 5 {
		t.Fatalf("got %+v, %v, want 5 rows", did, err)
	}
	mustExec(t, d, "ALTER TABLE events.typed ADD COLUMN a Decimal(9, 2), ADD COLUMN b Array(LowCardinality(String)), ADD COLUMN c Nullable(Int32) DEFAULT 5, ADD COLUMN d Enum8('ok' = 1, 'sad' = 2), "+
		"ADD COLUMN e DateTime64(3, 'Europe/Oslo'), ADD COLUMN f Map(String, Int64), ADD COLUMN g Tuple(String, Int8), ADD COLUMN h UUID, ADD COLUMN i LowCardinality(FixedString(2)), ADD COLUMN j JSON")
	mustRestore(t, d, table, map[string]schema.Kind{"k": schema.Int}, destination.Restored{Rows: 3, Values: 11, Left: 3})
	mustRestore(t, d, table, map[string]schema.Kind{"k": schema.Int}, destination.Restored{Left: 3})
	const none = "|[]|5|ok|0|{}|('',0)|00000000-0000-0000-0000-000000000000||{}|"
	want := []string{`0|0` + none + `{"k":"three"}`,
		`1|1.25|['x','it\'s \\\0']|5|sad|1603589400.5|{'x':1}|('y',2)|61f0c404-5cb3-11e7-907b-a6006ad3dba0|ab|{"q":[1]}|NULL`,
		`2|0` + strings.Replace(none, "|ok|0|", "|ok|1603585800.5|", 1) + `{"a":"many"}`, `4|0` + none + `{"c":7}`, `5|-0.01` + none + `NULL`}
	for i := range c.Nodes {
		got := inSync(t, c, i, "events.typed", "SELECT arrayStringConcat(groupArray(concat(toString(k), '|', toString(a), '|', toString(b), '|', toString(c), '|', toString(d), '|', toString(toDecimal64(e, 3)), '|', "+
			"toString(f), '|', toString(g), '|', toString(h), '|', toString(i), '|', toString(j), '|', ifNull(__rescued, 'NULL'))), '\\n') FROM (SELECT * FROM events.typed ORDER BY k, __row_id) FORMAT TSVRaw")
		if got != strings.Join(want, "\n") {
			t.Errorf("node %d: got\n%s\nwant\n%s", i, got, strings.Join(want, "\n"))
		}
	}
}

// misfits makes rows whose n goes nowhere.
func misfits(rows int) []string {
	list := make([]string, rows)
	for i := range list {
		list[i] = fmt.Sprintf(`{"n":"row %d","m":%d}`, i, i)
	}
	return list
}

// rescueInto makes a table of rows whose m has a column only afterwards.
func rescueInto(t *testing.T, d *Destination, table schema.Table, rows ...string) {
	t.Helper()
	if err := d.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	if err := d.AddColumns(t.Context(), table, []schema.Column{{Name: "n", Kind: schema.Int}, {Name: schema.Rescued, Kind: schema.Text}}); err != nil {
		t.Fatal(err)
	}
	if did, err := d.Load(t.Context(), table, destinationtest.Batch(newIDs(), rows...)); err != nil || did.Rows != int64(len(rows)) {
		t.Fatalf("got %+v, %v, want %d rows", did, err, len(rows))
	}
	if err := d.AddColumns(t.Context(), table, []schema.Column{{Name: "m", Kind: schema.Int}, {Name: "long", Kind: schema.Text}}); err != nil {
		t.Fatal(err)
	}
}

// restoreMany: more rows than one statement holds, and one that none does.
func restoreMany(t *testing.T, c *servertest.ClickHouseCluster, d *Destination) {
	const many = 3000
	table := tableOf(t, "many")
	rescueInto(t, d, table, append(misfits(many), `{"m":1,"long":"`+strings.Repeat("x", maxStatement)+`"}`)...)
	mustRestore(t, d, table, nil, destination.Restored{Rows: many, Values: many, Left: many + 2})
	mustRestore(t, d, table, nil, destination.Restored{Left: many + 2})
	for i := range c.Nodes {
		got := inSync(t, c, i, "events.many", `SELECT count(), countIf(m > 0 AND __rescued = concat('{"n":"row ', toString(m), '"}')), countIf(length(__rescued) > 1000 AND m = 0) FROM events.many`)
		if want := fmt.Sprintf("%d\t%d\t1", many+1, many-1); got != want {
			t.Errorf("node %d: got %s, want %s", i, got, want)
		}
	}
}

func restoreWithout(t *testing.T, c *servertest.ClickHouseCluster, d *Destination) {
	table := tableOf(t, "away")
	rescueInto(t, d, table, misfits(10)...)
	c.Nodes[1].Kill(t)
	mustRestore(t, d, table, nil, destination.Restored{Rows: 10, Values: 10, Left: 10})
	c.Nodes[1].Start(t)
	const there = `SELECT count() = 10 AND sum(m) = 45 AND min(__rescued) = '{"n":"row 0"}' AND max(__rescued) = '{"n":"row 9"}' FROM events.away`
	for deadline := time.Now().Add(time.Minute); c.Nodes[1].Exec(t, there) != "1"; {
		if time.Now().After(deadline) {
			t.Fatalf("got %s on the host that was away", c.Nodes[1].Exec(t, "SELECT m, __rescued FROM events.away"))
		}
	}
}

// restoreFailing: a mutation that cannot be finished is taken out of the queue of all hosts, and no others.
func restoreFailing(t *testing.T, c *servertest.ClickHouseCluster, d *Destination) {
	table := tableOf(t, "failing")
	rescueInto(t, d, table, misfits(10)...)
	mustExec(t, d, "ALTER TABLE events.failing UPDATE n = throwIf(n = 0, 'theirs') WHERE 1 SETTINGS mutations_sync = 0")
	if did, err := d.Restore(t.Context(), table, nil); fault.CodeOf(err) != "mutation_failed" {
		t.Errorf("got %+v, %v, want mutation_failed", did, err)
	}
	if got := c.Nodes[0].Exec(t, "SELECT count(), countIf(position(command, 'theirs') > 0) FROM system.mutations WHERE table = 'failing' AND NOT is_done FORMAT TSVRaw"); got != "1\t1" {
		t.Errorf("got %s mutations and of theirs, want theirs alone", got)
	}
	mustExec(t, d, "KILL MUTATION WHERE table = 'failing'")
	mustRestore(t, d, table, nil, destination.Restored{Rows: 10, Values: 10, Left: 10})
}
