package duckdb

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// fail has a call end with an error that the engine would give as text, and returns the engine that met it.
func (d *Destination) fail(t *testing.T, text string) (met *engine) {
	t.Helper()
	err := d.call(t.Context(), func(e *engine) error {
		met = e
		return storeFault(t.Context(), newEngineError(text))
	})
	if err == nil {
		t.Fatalf("%s: got no error", text)
	}
	return met
}

// current gives the engine that the next call uses.
func (d *Destination) current(t *testing.T) (now *engine) {
	t.Helper()
	if err := d.call(t.Context(), func(e *engine) error { now = e; return nil }); err != nil {
		t.Fatal(err)
	}
	return now
}

func TestReopenAfterFatalErrors(t *testing.T) {
	for _, tt := range []struct {
		text     string
		reopened bool
	}{
		{"FATAL Error: Failed: database has been invalidated because of a previous fatal error", true},
		{"INTERNAL Error: Assertion triggered", true},
		{"INTERNAL Error: Attempted to access index 1\n\nStack Trace:\n0 x", true},
		{"Constraint Error: NOT NULL constraint failed: t.n", false},
		{"IO Error: Could not write file: No space left on device", false},
		{"Out of Memory Error: failed to pin block", false},
		{"Invalid Input Error: a value says FATAL Error: boom", false},
		{"no class at all", false},
	} {
		t.Run(tt.text, func(t *testing.T) {
			d := open(t)
			d.sql(t, "CREATE TABLE t AS SELECT 1 AS n")
			met := d.fail(t, tt.text)
			now := d.current(t)
			if got := now != met; got != tt.reopened {
				t.Errorf("opened again: got %v, want %v", got, tt.reopened)
			}
			if again := d.current(t); again != now {
				t.Error("the engine was opened once more without an error")
			}
			wantAnswer(t, d, "SELECT n FROM t", "1")
			d.sql(t, "INSERT INTO t VALUES (2)")
			wantAnswer(t, d, "SELECT sum(n) FROM t", "3")
		})
	}
}

// TestReopenKeepsMemory: what is in memory only would be lost.
func TestReopenKeepsMemory(t *testing.T) {
	cfg := DefaultConfig()
	cfg.InMemory = true
	d := openWith(t, cfg)
	d.sql(t, "CREATE TABLE t AS SELECT 1 AS n")
	met := d.fail(t, "FATAL Error: x")
	if d.current(t) != met {
		t.Error("a database in memory was opened again")
	}
	wantAnswer(t, d, "SELECT n FROM t", "1")
}

// TestReopenWaits: a query that has begun reads its memory to the end before the engine is freed.
func TestReopenWaits(t *testing.T) {
	d := open(t)
	standing, release := make(chan struct{}), make(chan struct{})
	asked, next := make(chan error, 1), make(chan error, 1)
	go func() {
		asked <- d.Query(t.Context(), "SELECT 1", nil, &pausing{at: standing, until: release})
	}()
	<-standing
	met := d.fail(t, "FATAL Error: x")
	var now *engine
	go func() { next <- d.call(context.Background(), func(e *engine) error { now = e; return nil }) }()
	for len(next) == 0 && d.mu.TryLock() { // until the next call has begun, which holds the lock while it waits
		d.mu.Unlock()
		runtime.Gosched()
	}
	if len(next) > 0 {
		t.Error("the next call returned while a query was in progress")
	}
	close(release)
	if err := errors.Join(<-asked, <-next); err != nil {
		t.Error(err)
	}
	if now == met {
		t.Error("the engine was not opened again")
	}
}

// TestReopenFails: each call tries again, and says why it cannot.
func TestReopenFails(t *testing.T) {
	d := open(t)
	d.sql(t, "CREATE TABLE t AS SELECT 1 AS n", "CHECKPOINT")
	d.fail(t, "FATAL Error: x")
	aside := filepath.Join(t.TempDir(), "aside")
	if err := os.Rename(d.cfg.File, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.cfg.File, []byte("not a database"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := d.Query(t.Context(), "SELECT 1", nil, &destinationtest.Rows{})
		if err == nil || !strings.Contains(err.Error(), "it is something else") {
			t.Errorf("got %v, want why the file does not open", err)
		}
	}
	if err := os.Rename(aside, d.cfg.File); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, d, "SELECT n FROM t", "1")
}

func TestVerify(t *testing.T) {
	d := open(t)
	err := d.call(t.Context(), func(e *engine) error {
		q, err := e.queries.take(t.Context())
		if err != nil {
			return err
		}
		defer e.queries.put(q)
		if err := verify(q, locked(d.cfg.File)); err != nil {
			t.Errorf("got %v, want the settings of an open database", err)
		}
		for _, s := range locked(d.cfg.File) {
			other := setting{s.name, "other"}
			if err := verify(q, []setting{s, other}); err == nil || !strings.Contains(err.Error(), s.name) {
				t.Errorf("%s differs: got %v, want its name", s.name, err)
			}
		}
		want := []setting{{"nosuch", "true"}, {"enable_external_access", "true"}}
		if err := verify(q, want); err == nil || strings.Count(err.Error(), "must be") != 2 {
			t.Errorf("got %v, want two settings named", err)
		}
		if err := q.exec("SET enable_external_access = true"); err == nil {
			t.Error("a setting was changed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestClosed: every call after Close is refused, and Close frees the file.
func TestClosed(t *testing.T) {
	d, table := open(t), tableOf(t, "t")
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b := destinationtest.Batch(rowid.NewSource(), `{"n":1}`)
	for name, call := range map[string]func(context.Context) error{
		"CreateTable": func(ctx context.Context) error { return d.CreateTable(ctx, table) },
		"Columns":     func(ctx context.Context) error { _, err := d.Columns(ctx, table); return err },
		"AddColumns": func(ctx context.Context) error {
			return d.AddColumns(ctx, table, []schema.Column{{Name: "n", Kind: schema.Int}})
		},
		"Load":   func(ctx context.Context) error { _, err := d.Load(ctx, table, b); return err },
		"Query":  func(ctx context.Context) error { return d.Query(ctx, "SELECT 1", nil, &destinationtest.Rows{}) },
		"Tables": func(ctx context.Context) error { _, err := d.Tables(ctx); return err },
	} {
		if err := call(t.Context()); !errors.Is(err, fault.Closed) {
			t.Errorf("%s: got %v, want fault.Closed", name, err)
		}
	}
	again := openWith(t, d.cfg)
	wantAnswer(t, again, "SELECT 1", "1")
}

// TestCloseWaitsForLoads: the batch that is being read when Close begins is in the file.
func TestCloseWaitsForLoads(t *testing.T) {
	d, table := open(t), tableOf(t, "t")
	d.sql(t, "CREATE TABLE t (__row_id VARCHAR, n BIGINT)")
	b := destinationtest.Batch(rowid.NewSource(), `{"n":1}`, `{"n":2}`)
	began, release := make(chan struct{}), make(chan struct{})
	loaded, closed := make(chan error, 1), make(chan error, 1)
	go func() { _, err := d.Load(t.Context(), table, slow(b, began, release)); loaded <- err }()
	<-began
	go func() { closed <- d.Close() }()
	for { // until Close has begun
		if _, err := d.Tables(t.Context()); errors.Is(err, fault.Closed) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if len(closed) > 0 {
		t.Error("Close returned while a load was in progress")
	}
	close(release)
	if err := errors.Join(<-loaded, <-closed); err != nil {
		t.Fatal(err)
	}
	again := openWith(t, d.cfg)
	wantAnswer(t, again, "SELECT sum(n) FROM t", "3")
	if did, err := again.Load(t.Context(), table, b); err != nil || did != (destination.Loaded{Rows: 2, Already: true}) {
		t.Errorf("again: got %+v, %v, want 2 rows, loaded before", did, err)
	}
}

// slow is b, which tells began that it is being opened, and waits for release.
func slow(b destination.Batch, began chan<- struct{}, release <-chan struct{}) destination.Batch {
	open := b.Open
	b.Open = func(ctx context.Context) (io.ReadCloser, error) {
		close(began)
		<-release
		return open(ctx)
	}
	return b
}

// TestReplaceSettings: a set gives the same file other settings, when the query that reads it has ended.
func TestReplaceSettings(t *testing.T) {
	d := open(t)
	d.sql(t, "CREATE TABLE t AS SELECT 1 AS n")
	set := destination.NewSet(destination.ByID{"1": d})
	opener := func(threads int) destination.Opener {
		cfg := d.cfg
		cfg.Threads = threads
		return func(ctx context.Context) (destination.Destination, error) {
			return Open(ctx, cfg, slog.New(slog.DiscardHandler))
		}
	}
	ask := func(sql string, out result.Writer) error {
		return set.Use(t.Context(), "1", func(d destination.Destination) error { return d.Query(t.Context(), sql, nil, out) })
	}
	standing, release := make(chan struct{}), make(chan struct{})
	before := make(chan error, 1)
	slow := &pausing{at: standing, until: release}
	go func() { before <- ask("SELECT n FROM t", slow) }()
	<-standing
	replaced := make(chan error, 1)
	go func() {
		_, err := set.Replace(t.Context(), "1", opener(3), opener(0))
		replaced <- err
	}()
	close(release)
	if err := errors.Join(<-before, <-replaced); err != nil {
		t.Fatal(err)
	}
	var after destinationtest.Rows
	if err := ask("SELECT n, current_setting('threads')::VARCHAR FROM t", &after); err != nil {
		t.Fatal(err)
	}
	if want := []string{"1|3"}; !slices.Equal(slow.Rows.Rows, []string{"1"}) || !slices.Equal(after.Rows, want) {
		t.Errorf("got %q, then %q, want 1, then %q", slow.Rows.Rows, after.Rows, want)
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
}
