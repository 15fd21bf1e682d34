package clickhouse

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestTablesThatWeMake: no column is Nullable, and the table knows the blocks that it has had.
func TestTablesThatWeMake(t *testing.T) {
	server := servertest.ClickHouse(t)
	for stringTypes, want := range map[bool]string{
		false: "`__row_id` String, `b` Bool, `i` Int64, `f` Float64, `t` DateTime64(6, 'UTC'), `d` Date32 DEFAULT '1970-01-01', `s` String, `n` String",
		true:  "`__row_id` String, `b` String, `i` String, `f` String, `t` String, `d` String, `s` String, `n` String",
	} {
		s := server.Fresh(t)
		cfg := configOf(s)
		cfg.StringTypes = stringTypes
		d, table := openWith(t, cfg), tableOf(t, "t")
		if err := d.CreateTable(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		var cols []schema.Column
		for name, kind := range []schema.Kind{schema.Bool, schema.Int, schema.Float, schema.Timestamp, schema.Date, schema.Text, schema.Nested} {
			cols = append(cols, schema.Column{Name: "biftdsn"[name : name+1], Kind: kind})
		}
		if err := d.AddColumns(t.Context(), table, cols); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(s.Exec(t, "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 't'"), `\'`, "'")
		for _, part := range []string{"(" + want + ")", "ENGINE = MergeTree ORDER BY __row_id", "non_replicated_deduplication_window = 10000", synced} {
			if !strings.Contains(got, part) {
				t.Errorf("got  %s\nwant %s in it", got, part)
			}
		}
	}
}

// TestStoragePolicy: all tables that we make are where the policy says.
func TestStoragePolicy(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		cfg.StoragePolicy = server.Policy
		d, table := openWith(t, cfg), tableOf(t, "events")
		makeEvents(t, d, table)
		if did, err := d.Load(t.Context(), table, numbered(0, 10)); err != nil || did.Rows != 10 {
			t.Fatalf("got %+v, %v, want 10 rows", did, err)
		}
		want := fmt.Sprintf("%s %s, events %[2]s", ledgerTable, server.Policy)
		if got := server.Exec(t, "SELECT arrayStringConcat(arraySort(groupArray(name || ' ' || storage_policy)), ', ') FROM system.tables WHERE database = currentDatabase()"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := server.Exec(t, "SELECT arrayStringConcat(arraySort(groupUniqArray(table || ' ' || disk_name)), ', ') FROM system.parts WHERE database = currentDatabase() AND active"); got != want {
			t.Errorf("the parts: got %s, want %s", got, want)
		}
		cfg.StoragePolicy = "nowhere"
		if err := openWith(t, cfg).CreateTable(t.Context(), tableOf(t, "other")); err == nil || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("got %v, want that there is no such policy", err)
		}
	})
}

// TestQueryAsOneWhoMayOnlyRead: nothing can be set for such a user, so what the server sends is not as it is asked for else.
func TestQueryAsOneWhoMayOnlyRead(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		cfg.QueryUsername, cfg.QueryPassword = server.Strict, secret.String(server.Password)
		d := openWith(t, cfg)
		for sql, want := range map[string]string{
			"SELECT toLowCardinality(toString(number % 3)) AS v FROM numbers(4)":                              "0 1 2 0",
			"SELECT if(number = 1, NULL, toLowCardinality(toString(number))) AS v FROM numbers(3)":            "0 NULL 2",
			"SELECT arrayElement([toLowCardinality('x'), toLowCardinality('y')], number + 1) FROM numbers(2)": "x y",
			"SELECT toLowCardinality(toDate('2024-02-29')) SETTINGS max_threads = 1":                          "",
			"SELECT 1":                                   "1",
			"SELECT toString('{\"a\":1}'::JSON)":         `{"a":1}`,
			"SELECT '{\"a\":1}'::JSON":                   `{"a":1}`,
			"SELECT CAST('x', 'Variant(Int64, String)')": "x",
		} {
			var got destinationtest.Rows
			err := d.Query(t.Context(), sql, nil, &got)
			if text := strings.Join(got.Rows, " "); want == "" && err == nil || want != "" && (err != nil || text != want) {
				t.Errorf("%s: got %q, %v, want %q", sql, text, err, want)
			}
		}
	})
}

// TestLoadInConstantMemory: ten times as many rows, in many pieces, take hardly more memory. What is held is measured, not
// what waits to be collected.
func TestLoadInConstantMemory(t *testing.T) {
	const few, many = 80_000, 800_000
	server := servertest.ClickHouse(t)
	for _, protocol := range []string{native, overHTTP} {
		t.Run(protocol, func(t *testing.T) {
			small, large := mostHeld(t, server, protocol, few), mostHeld(t, server, protocol, many)
			if most := small + small/2 + 8<<20; large > most {
				t.Errorf("%d rows took %d KiB, and %d rows %d KiB, want at most %d", few, small>>10, many, large>>10, most>>10)
			}
		})
	}
}

// mostHeld loads n rows and gives by how many bytes the heap grew at the most.
func mostHeld(t *testing.T, server servertest.ClickHouseServer, protocol string, n int) int {
	t.Helper()
	cfg := configOf(server.Fresh(t))
	cfg.Protocol = protocol
	d, table := openWith(t, cfg), tableOf(t, "events")
	makeEvents(t, d, table)
	d.pieceBytes = 16 << 20
	ids := rowid.NewSource()
	before := held()
	rows := &counted{left: n, ids: ids}
	b := destination.Batch{ID: ids.Batch(), Rows: int64(n), Seen: []schema.Seen{{Name: "__row_id", Kinds: schema.Kinds(0).With(schema.Text)},
		{Name: "n", Kinds: schema.Kinds(0).With(schema.Int)}, {Name: "s", Kinds: schema.Kinds(0).With(schema.Text)}},
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(rows), nil }}
	if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != int64(n) {
		t.Fatalf("got %+v, %v, want %d rows", did, err, n)
	}
	wantOnce(t, d, n)
	return rows.most - before
}

// held gives the bytes of the heap that are in use.
func held() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// counted makes rows as they are read, and notes the most that is held.
type counted struct {
	left int
	ids  *rowid.Source
	rest bytes.Buffer
	most int
}

func (c *counted) Read(p []byte) (int, error) {
	for c.rest.Len() == 0 {
		if c.left == 0 {
			return 0, io.EOF
		}
		for range min(c.left, 1000) {
			c.left--
			fmt.Fprintf(&c.rest, `{"__row_id":"%s","n":%d,"s":"the text of row %d, which is about as long as such texts are"}`+"\n", c.ids.New(), c.left, c.left)
		}
		if c.left%20_000 == 0 {
			c.most = max(c.most, held())
		}
	}
	return c.rest.Read(p)
}
