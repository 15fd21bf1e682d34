package ingest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// An insert that passes a limit goes to a file of its own, which is a ready batch once it is complete.
func TestLargeInsertHasItsOwnBatch(t *testing.T) {
	large := bodyOf(5000)
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		own    bool
	}{
		{"within limits", func(*Config) {}, false},
		{"past inline", func(c *Config) { c.Inline = 300 << 10 }, true},
		{"past memory", func(c *Config) { c.Memory = 300 << 10 }, true},
		{"no inline", func(c *Config) { c.Inline = 0 }, true},
		{"no memory", func(c *Config) { c.Memory = 0 }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter(t, tt.change)
			shared := insert(t, w, `{"a":1}`, Options{})
			in := insert(t, w, large, Options{})
			if in.Rows != 5000 || len(in.RowIDs) != 5000 {
				t.Errorf("got %d rows and %d ids, want 5000", in.Rows, len(in.RowIDs))
			}
			if !tt.own {
				wantIDs(t, w, concat(shared, in), open)
				wantNone(t, w, ready, incoming)
				return
			}
			wantIDs(t, w, shared.RowIDs, open)
			wantIDs(t, w, in.RowIDs, ready)
			wantNone(t, w, incoming)
			batch, first, count, err := rowid.ParseReceipt(in.Receipt)
			if err != nil || batch != in.Batch || batch == shared.Batch || first != 0 || count != in.Rows {
				t.Errorf("receipt got %s, %d, %d, %v, want all of a batch of its own", batch, first, count, err)
			}
			ship(t, w, 1)
		})
	}
}

// What is told of a batch of its own is what its rows hold.
func TestOwnBatchIsDescribed(t *testing.T) {
	w := newWriter(t, func(c *Config) { c.Inline = 0 })
	in := insert(t, w, strings.Repeat(`{"a":1,"b":"x"}{"b":null,"c":{"d":1.5}}`, 2000), Options{})
	r, err := w.Next(endedContext())
	if err != nil {
		t.Fatal(err)
	}
	if r.Batch != in.Batch || r.Destination != "d" || r.Table != parseTable(t, "events") || r.Rows != 4000 {
		t.Errorf("got %+v, want 4000 rows of batch %s", r, in.Batch)
	}
	if got, want := seenText(r.Seen), "a:int b:null|text c_d:float"; got != want {
		t.Errorf("got columns %s, want %s", got, want)
	}
}

// seenText prints columns as name:kind|kind, in order.
func seenText(seen []schema.Seen) string {
	var list []string
	for _, s := range seen {
		list = append(list, s.Name+":"+s.Kinds.String())
	}
	return strings.Join(list, " ")
}

// While a large insert arrives its rows are in incoming, and nowhere else.
func TestLargeInsertIsHiddenUntilComplete(t *testing.T) {
	w := newWriter(t, func(c *Config) { c.Inline = 100 << 10 })
	r, body := io.Pipe()
	done := make(chan Inserted, 1)
	go func() {
		in, err := w.Insert(t.Context(), "d", parseTable(t, "events"), r, Options{RowIDs: true})
		if err != nil {
			t.Error(err)
		}
		done <- in
	}()
	if _, err := io.WriteString(body, bodyOf(10_000)); err != nil {
		t.Fatal(err)
	}
	if n := len(filesIn(t, w, incoming)); n != 1 {
		t.Errorf("incoming has %d files, want 1", n)
	}
	wantNone(t, w, open, ready)
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, w, (<-done).RowIDs, ready)
	wantNone(t, w, open, incoming)
}

// Inserts in progress share the memory; when they are done, whether it went well or not, all of it is back.
func TestBudgetComesBack(t *testing.T) {
	const clients, rows = 12, 4000
	w := newWriter(t, func(c *Config) { c.Memory = 1 << 20 })
	stop := running(t, w)
	ids := make([][]string, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			if c%3 == 0 {
				_ = insertFails(t, w, bodyOf(rows)+"{", Options{})
				return
			}
			ids[c] = insert(t, w, bodyOf(rows), Options{}).RowIDs
		})
	}
	wg.Wait()
	stop()
	if used := w.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes of the budget are in use, want 0", used)
	}
	var all []string
	for _, list := range ids {
		all = append(all, list...)
	}
	wantIDs(t, w, all, ready)
	wantNone(t, w, open, incoming)
	if own := testutil.ToFloat64(w.metrics.sealed.WithLabelValues("own")); own == 0 {
		t.Error("no insert had a file of its own, want some: the memory is for two")
	}
}

// An insert whose own file cannot be made, moved or found leaves nothing.
func TestOwnFileFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(dir string) error
	}{
		{"incoming is gone", func(dir string) error { return os.Remove(filepath.Join(dir, incoming)) }},
		{"the ready folder cannot be made", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, ready, "d"), nil, 0o600)
		}},
		{"it cannot be made ready", func(dir string) error {
			table := filepath.Join(dir, ready, "d", "events")
			return errors.Join(os.MkdirAll(filepath.Dir(table), 0o750), os.Symlink(filepath.Join(dir, "nowhere"), table))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter(t, func(c *Config) { c.Inline = 0 })
			if err := tt.spoil(w.cfg.Dir); err != nil {
				t.Fatal(err)
			}
			_ = insertFails(t, w, bodyOf(5000), Options{})
			if err := os.MkdirAll(filepath.Join(w.cfg.Dir, incoming), 0o750); err != nil {
				t.Fatal(err)
			}
			wantNone(t, w, incoming, open)
			if n := len(batchesIn(t, w, ready)); n != 0 {
				t.Errorf("got %d ready batches, want 0", n)
			}
			if used := w.budget.used.Load(); used != 0 {
				t.Errorf("%d bytes of the budget are in use, want 0", used)
			}
		})
	}
}

// Rows of every size come out as they went in, wherever the chunks of memory end.
func TestSegmentsKeepEveryByte(t *testing.T) {
	for _, size := range []int{1, gatherBelow - 1, gatherBelow, gatherBelow + 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize - 1, 3 * chunkSize} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var group segments
			var want, got strings.Builder
			for i := range 5 {
				line := strings.Repeat(string(rune('a'+i)), size-1) + "\n"
				r := &request{size: int64(size) + 1}
				r.rows.add([]byte(line))
				r.rows.mark(nil)
				group.take(r)
				want.WriteString(line[:size-1] + " \n")
			}
			if n := group.bytes(); n != int64(want.Len()) {
				t.Errorf("got %d bytes, want %d", n, want.Len())
			}
			if err := group.write(&got); err != nil || got.String() != want.String() {
				t.Errorf("got %d bytes that differ, %v, want %d", got.Len(), err, want.Len())
			}
			group.release()
			if group.bytes() != 0 {
				t.Error("after release there are bytes left")
			}
		})
	}
}
