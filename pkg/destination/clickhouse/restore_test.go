package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

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

// sameKey is rows that differ in nothing but what their columns have, in a table without row ids.
const sameKey = "INSERT INTO same (__rescued, n, m) VALUES ('{\"n\":7}', NULL, 1), ('{\"n\":7}', 5, 1), ('{\"n\":7,\"m\":9}', NULL, NULL), ('{\"n\":7,\"m\":9}', 5, NULL), ('{\"n\":7,\"m\":9}', NULL, 6)"

// restoreSameKey: of rows with the same key each gets what may go into its own columns.
func restoreSameKey(t *testing.T, d *Destination) {
	t.Helper()
	mustRestore(t, d, tableOf(t, "same"), nil, destination.Restored{Rows: 4, Values: 5, Left: 3})
	wantAnswer(t, d, "SELECT n, m, __rescued FROM same ORDER BY n, m, __rescued", `5|1|{"n":7}`, `5|9|{"n":7}`, `7|1|`, `7|6|{"m":9}`, `7|9|`)
}

func TestRestoreOfRowsWithTheSameKey(t *testing.T) {
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		d := openWith(t, cfg)
		mustExec(t, d, "CREATE TABLE same (__rescued String, n Nullable(Int64), m Nullable(Int64)) ENGINE = MergeTree ORDER BY ()")
		mustExec(t, d, sameKey)
		restoreSameKey(t, d)
	})
}

// readRestore is a restore of rows that n goes into, just before the server is told of them.
func readRestore(t *testing.T, d *Destination) (*restore, []line) {
	t.Helper()
	mustExec(t, d, "CREATE TABLE t (__row_id String, __rescued String, n Nullable(Int64)) ENGINE = MergeTree ORDER BY __row_id")
	mustExec(t, d, `INSERT INTO t VALUES ('a', '{"n":1}', NULL), ('b', '{"n":2}', NULL)`)
	r, err := d.newRestore(t.Context(), tableOf(t, "t"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var lines []line
	if err := r.read(t.Context(), func(l line) error {
		lines = append(lines, l)
		return nil
	}); err != nil || len(lines) != 2 {
		t.Fatalf("got %v, %v, want 2 lines", lines, err)
	}
	return r, lines
}

// TestRestoreLeavesRowsThatChanged: what somebody writes into a row after it was read stays.
func TestRestoreLeavesRowsThatChanged(t *testing.T) {
	const update = "ALTER TABLE t UPDATE n = 5 WHERE __row_id = 'a' SETTINGS mutations_sync = 1"
	server := servertest.ClickHouse(t)
	t.Run("staged", func(t *testing.T) {
		d := openWith(t, configOf(server.Fresh(t)))
		r, _ := readRestore(t, d)
		s := &stage{r, stagePrefix + "x"}
		mustExec(t, d, s.create())
		if err := s.fill(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustExec(t, d, update)
		if needed, err := s.change(t.Context(), false); needed || err != nil {
			t.Errorf("got %v, %v", needed, err)
		}
		wantAnswer(t, d, "SELECT n, __rescued FROM t ORDER BY n", "2|", `5|{"n":1}`)
	})
	t.Run("inline", func(t *testing.T) {
		d := openWith(t, configOf(server.Fresh(t)))
		r, lines := readRestore(t, d)
		m, err := r.newMutation(lines)
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, d, update)
		if rows, err := m.run(t.Context(), m.sql()); rows != 1 || err != nil {
			t.Errorf("got %d, %v, want 1 row", rows, err)
		}
		wantAnswer(t, d, "SELECT n, __rescued FROM t ORDER BY n", "2|", `5|{"n":1}`)
	})
}

// rescuedOnHold makes the table t of rows whose m goes into its column when merges and mutations are let go on.
func rescuedOnHold(t *testing.T, d *Destination) schema.Table {
	t.Helper()
	table := tableOf(t, "t")
	rescueInto(t, d, table, misfits(10)...)
	mustExec(t, d, "SYSTEM STOP MERGES t")
	return table
}

const (
	waiting  = "SELECT count() > 0 FROM system.mutations WHERE database = currentDatabase() AND NOT is_done"
	restored = "SELECT (SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = 't' AND NOT is_done) = 0 AND (SELECT sum(m) FROM t) = 45"
	noStage  = "SELECT count() = 0 FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '" + stagePrefix + "')"
)

// TestRestoreGoesOnWhenNobodyWaits: the values that a mutation needs stay for as long as it does.
func TestRestoreGoesOnWhenNobodyWaits(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		d := openWith(t, cfg)
		table := rescuedOnHold(t, d)
		ctx, leave := context.WithCancel(t.Context())
		left := once(func() {
			if did, err := d.Restore(ctx, table, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("got %+v, %v, want context.Canceled", did, err)
			}
		})
		awaitServer(t, server, d, waiting)
		leave()
		<-left
		mustExec(t, d, "SYSTEM START MERGES t")
		mustRestore(t, d, table, nil, destination.Restored{Left: 10}) // waits for the one before
		awaitServer(t, server, d, restored)
		awaitServer(t, server, d, noStage)
	})
}

// TestRestoreWithoutAnAnswer: a connection that is lost as the mutation is said, or while it works, changes nothing.
func TestRestoreWithoutAnAnswer(t *testing.T) {
	server := servertest.ClickHouse(t)
	for _, protocol := range []string{native, overHTTP} {
		t.Run(protocol, func(t *testing.T) {
			d, proxy, _ := faulty(t, server, protocol, logLike)
			table := rescuedOnHold(t, d)
			met := proxy.CutAfter("UPDATE")
			done := once(func() { mustRestore(t, d, table, nil, destination.Restored{Rows: 10, Values: 10, Left: 10}) })
			<-met
			awaitServer(t, server, d, waiting)
			proxy.Refuse(true)
			proxy.Cut()
			server.Exec(t, "SYSTEM START MERGES "+d.path(table))
			awaitServer(t, server, d, restored)
			proxy.Refuse(false)
			<-done
			awaitServer(t, server, d, noStage)
		})
	}
}

// TestRestoreSweepsStages: who is stopped leaves the stage to the mutation, and the next replay drops what nobody needs any more.
func TestRestoreSweepsStages(t *testing.T) {
	server := servertest.ClickHouse(t)
	cfg := configOf(server)
	d, other := openWith(t, cfg), openWith(t, cfg)
	table := rescuedOnHold(t, d)
	ctx, leave := context.WithCancel(t.Context())
	left := once(func() { _, _ = d.Restore(ctx, table, nil) }) // as TestRestoreGoesOnWhenNobodyWaits
	awaitServer(t, server, other, waiting)
	leave()
	<-left
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	at := func(age time.Duration) string {
		id := ulid.MustNew(ulid.Timestamp(time.Now().Add(-age)), ulid.DefaultEntropy())
		return stagePrefix + strings.ToLower(id.String())
	}
	young, old, needed, lost := at(staleAfter/2), at(2*staleAfter), at(3*staleAfter), at(4*staleAfter)
	mustExec(t, other, "CREATE TABLE u (x Int64) ENGINE = MergeTree ORDER BY ()")
	mustExec(t, other, "INSERT INTO u VALUES (1)")
	mustExec(t, other, "SYSTEM STOP MERGES u")
	for _, name := range []string{young, old, needed, lost} {
		mustExec(t, other, "CREATE TABLE "+name+" (k Int64, v Int64) ENGINE = Join(ANY, LEFT, k)")
	}
	mustExec(t, other, "ALTER TABLE u UPDATE x = joinGet("+cfg.Database+"."+needed+", 'v', x) WHERE 1 SETTINGS mutations_sync = 0")
	mustExec(t, other, "SYSTEM START MERGES t")
	awaitServer(t, server, other, restored)
	mustExec(t, other, "SYSTEM STOP MERGES t")
	mustExec(t, other, "ALTER TABLE t UPDATE n = joinGet("+cfg.Database+"."+lost+", 'v', n) WHERE n = 1 SETTINGS mutations_sync = 0")
	mustExec(t, other, "DROP TABLE "+lost+" SYNC")
	mustExec(t, other, "SYSTEM START MERGES t")
	mustRestore(t, other, table, nil, destination.Restored{Left: 10})
	awaitServer(t, server, other, restored)
	wantAnswer(t, other, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name IN ('"+young+"', '"+needed+"')", "2")
	wantAnswer(t, other, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name IN ('"+old+"')", "0")
	mustExec(t, other, "SYSTEM START MERGES u")
	awaitServer(t, server, other, "SELECT x = 0 FROM u")
}

// TestRestoreTakesBackWhatCannotFinish: a mutation that keeps failing is taken out of the queue, with its stage, and others stay there.
func TestRestoreTakesBackWhatCannotFinish(t *testing.T) {
	server := servertest.ClickHouse(t)
	cfg := configOf(server)
	d := openWith(t, cfg)
	table := rescuedOnHold(t, d)
	mustExec(t, d, "ALTER TABLE t UPDATE n = throwIf(n = 0, 'theirs') WHERE 1 SETTINGS mutations_sync = 0")
	mustExec(t, d, "SYSTEM START MERGES t")
	if did, err := d.Restore(t.Context(), table, nil); fault.CodeOf(err) != "mutation_failed" {
		t.Errorf("got %+v, %v, want mutation_failed", did, err)
	}
	awaitServer(t, server, d, noStage)
	wantAnswer(t, d, "SELECT position(command, 'theirs') > 0 FROM system.mutations WHERE database = currentDatabase() AND NOT is_done", "1")
	mustExec(t, d, "KILL MUTATION WHERE database = '"+cfg.Database+"'")
	mustRestore(t, d, table, nil, destination.Restored{Rows: 10, Values: 10, Left: 10})
}

// TestManyRestoresAtOnce: they do not wait for each other's connections.
func TestManyRestoresAtOnce(t *testing.T) {
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		cfg.MaxOpenConns = 2
		d, table := openWith(t, cfg), tableOf(t, "t")
		rescueInto(t, d, table, misfits(1000)...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		var values atomic.Int64
		for range 8 {
			all.Go(func() {
				did, err := d.Restore(ctx, table, nil)
				if err != nil {
					t.Error(err)
				}
				values.Add(did.Values)
			})
		}
		all.Wait()
		if got := values.Load(); got != 1000 {
			t.Errorf("got %d values, want each of 1000 once", got)
		}
	})
}

// wideRow is a row with a value of so many bytes for each of so many columns.
func wideRow(columns, bytes int) string {
	var b strings.Builder
	for i := range columns {
		fmt.Fprintf(&b, `,"w%d":"%s"`, i, strings.Repeat("x", bytes))
	}
	return "{" + b.String()[1:] + "}"
}

// TestRestoreOfWideRowsInline: a row that many columns get values of is put back by one statement, and one that no statement holds costs no more than
// to read it.
func TestRestoreOfWideRowsInline(t *testing.T) {
	var said bytes.Buffer
	opened, err := Open(t.Context(), configOf(servertest.ClickHouse(t)), slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	d := opened.(*Destination)
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	const columns = 100
	table := tableOf(t, "wide")
	rescueInto(t, d, table, wideRow(columns, 500), wideRow(columns, 80<<10))
	cols := make([]schema.Column, columns)
	for i := range cols {
		cols[i] = schema.Column{Name: fmt.Sprintf("w%d", i), Kind: schema.Text}
	}
	if err := d.AddColumns(t.Context(), table, cols); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	did := destination.Restored{}
	r, err := d.newRestore(t.Context(), table, nil)
	if err == nil {
		did, err = r.inline(t.Context())
	}
	runtime.ReadMemStats(&after)
	if want := (destination.Restored{Rows: 1, Values: columns, Left: columns}); err != nil || did != want {
		t.Errorf("got %+v, %v, want %+v", did, err, want)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 300<<20 {
		t.Errorf("%d MiB of memory were made for two rows", made>>20)
	}
	wantAnswer(t, d, "SELECT countIf(length(w0) = 500 AND length(w99) = 500), countIf(length(__rescued) > 8000000) FROM wide", "1|1")
	if text := said.String(); !strings.Contains(text, "one statement cannot hold") || !strings.Contains(text, "rows=1") {
		t.Errorf("the log has %q, want what stays and why", text)
	}
}

// TestRestoreFindsRowsByTheirIDs: the server need not read all of a table for each group of rows.
func TestRestoreFindsRowsByTheirIDs(t *testing.T) {
	server := servertest.ClickHouse(t)
	for of, id := range map[string]string{"String": "'a'", "LowCardinality(String)": "'a'", "Int64": "-3", "UInt64": "3", "Nullable(String)": "'a'"} {
		t.Run(of, func(t *testing.T) {
			d := openWith(t, configOf(server.Fresh(t)))
			mustExec(t, d, "CREATE TABLE t (__row_id "+of+", __rescued String, n Int64) ENGINE = MergeTree ORDER BY __row_id SETTINGS allow_nullable_key = 1, index_granularity = 100")
			mustExec(t, d, "INSERT INTO t SELECT toString(number + 100), '', 1 FROM numbers(10000)")
			mustExec(t, d, "INSERT INTO t VALUES ("+id+`, '{"n":7}', 0)`)
			r, err := d.newRestore(t.Context(), tableOf(t, "t"), nil)
			if err != nil {
				t.Fatal(err)
			}
			found := ""
			if err := r.read(t.Context(), func(l line) error {
				m, err := r.newMutation([]line{l})
				if err == nil {
					found = m.condition()
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if plan, err := d.admin.rows(t.Context(), "EXPLAIN indexes = 1 SELECT count() FROM "+d.path(r.table)+" WHERE "+found); err != nil || !strings.Contains(fmt.Sprint(plan), "Granules: 1/") {
				t.Errorf("got %v, %v, want one granule", plan, err)
			}
			if did, err := r.inline(t.Context()); err != nil || did.Rows != 1 {
				t.Errorf("got %+v, %v, want 1 row", did, err)
			}
			wantAnswer(t, d, "SELECT sum(n) FROM t", "10007")
		})
	}
}

// TestRestoreSaysThatTheServerIsTooOld: before 23.2 the table function format had no structure.
func TestRestoreSaysThatTheServerIsTooOld(t *testing.T) {
	server := servertest.ClickHouse(t)
	to, err := url.Parse(fmt.Sprintf("http://%s:%d", server.Host, server.HTTP))
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(to)
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sql, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if strings.Contains(string(sql), "format(Native, '") {
			w.Header().Set("X-ClickHouse-Exception-Code", "42")
			http.Error(w, "Code: 42. DB::Exception: Table function 'format' requires 2 arguments: format and data (NUMBER_OF_ARGUMENTS_DOESNT_MATCH)", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(sql))
		pass.ServeHTTP(w, r)
	}))
	defer relay.Close()
	cfg := configOf(server)
	cfg.Hosts, cfg.Protocol = Hosts{relay.Listener.Addr().String()}, overHTTP
	d := openWith(t, cfg)
	r, _ := readRestore(t, d)
	if did, err := r.inline(t.Context()); !errors.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "23.2") {
		t.Errorf("got %+v, %v, want fault.Unsupported and the version", did, err)
	}
	mustRestore(t, d, tableOf(t, "t"), nil, destination.Restored{Rows: 2, Values: 2}) // of one host
}
