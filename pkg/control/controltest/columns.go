package controltest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func columnPromises() []promise {
	return []promise{
		{"Note remembers the columns", checkNote},
		{"Note remembers columns of every kind", checkNoteKinds},
		{"Note remembers columns of any name", checkNoteNames},
		{"Note remembers the columns, all or none", checkNoteAll},
		{"Note of no columns is not an error", checkNoteNone},
		{"Note of an ended context remembers nothing", checkNoteEnded},
		{"What was noted of the same column before is replaced", checkNoteReplaces},
		{"List gives the columns noted of destination's table", checkListTable},
		{"Made is kept in microseconds", checkNoteMade},
		{"Columns is safe for concurrent use", checkColumnsConcurrent},
	}
}

func checkNote(t *testing.T, s control.Store) {
	wantColumns(t, s, "1", "events")
	a, b, c := column(t, "a", 0), column(t, "b", 1), column(t, "c", 2)
	note(t, s, a, b)
	wantColumns(t, s, "1", "events", a, b)
	note(t, s, c)
	wantColumns(t, s, "1", "events", a, b, c)
}

func checkNoteKinds(t *testing.T, s control.Store) {
	var want []control.Column
	for k := schema.Null; k <= schema.Foreign; k++ {
		c := column(t, k.String(), int(k))
		c.Kind = k
		want = append(want, c)
	}
	note(t, s, want...)
	wantColumns(t, s, "1", "events", want...)
}

func checkNoteNames(t *testing.T, s control.Store) {
	var want []control.Column
	for i, name := range []string{
		"", " ", "a", "A", "a ", "a%", "a.b", "it's", `"quoted"`, "`ticks`", "[0]", "; drop table columns; --", "🦆", "ümläut",
		"u\u0308mla\u0308ut", "two\nlines", "a\x00b", "name", "select",
	} {
		want = append(want, column(t, name, i))
	}
	note(t, s, want...)
	wantColumns(t, s, "1", "events", want...)
	for i := range want {
		want[i].Batch = "another of " + want[i].Name
		note(t, s, want[i])
	}
	wantColumns(t, s, "1", "events", want...)
}

// checkNoteAll notes many columns of one batch again and again, while another looks whether it sees them of two.
func checkNoteAll(t *testing.T, s control.Store) {
	const many, times = 100, 20
	of := func(batch int) (cols []control.Column) {
		for i := range many {
			c := column(t, fmt.Sprint("c", i), 0)
			c.Batch = fmt.Sprint(batch)
			cols = append(cols, c)
		}
		return cols
	}
	note(t, s, of(0)...)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := range times {
			if err := s.Columns().Note(t.Context(), of(n+1)); err != nil {
				t.Errorf("note: %v", err)
			}
		}
	})
	events := table(t, "events")
	for running := true; running && !t.Failed(); {
		select {
		case <-done:
			running = false
		default:
		}
		list, err := s.Columns().List(t.Context(), "1", events)
		if err != nil || len(list) != many {
			t.Errorf("got %d columns and %v, want %d", len(list), err, many)
		}
		for _, c := range list {
			if c.Batch != list[0].Batch {
				t.Errorf("got columns of the batches %s and %s at once", list[0].Batch, c.Batch)
				break
			}
		}
	}
	wg.Wait()
	wantColumns(t, s, "1", "events", of(times)...)
}

func checkNoteNone(t *testing.T, s control.Store) {
	for range 2 {
		note(t, s)
		if err := s.Columns().Note(t.Context(), []control.Column{}); err != nil {
			t.Errorf("note: %v", err)
		}
	}
	wantColumns(t, s, "1", "events")
}

func checkNoteEnded(t *testing.T, s control.Store) {
	known := column(t, "known", 0)
	note(t, s, known)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	again := known
	again.Batch = "another"
	if err := s.Columns().Note(ended, []control.Column{column(t, "a", 1), again}); !errors.Is(err, context.Canceled) {
		t.Errorf("note: got %v, want context canceled", err)
	}
	if list, err := s.Columns().List(ended, "1", known.Table); !errors.Is(err, context.Canceled) || len(list) != 0 {
		t.Errorf("list: got %v and %v, want context canceled", list, err)
	}
	wantColumns(t, s, "1", "events", known)
}

func checkNoteReplaces(t *testing.T, s control.Store) {
	a, b := column(t, "a", 5), column(t, "b", 5)
	note(t, s, a, b)
	for i, k := range []schema.Kind{schema.Text, schema.Text, schema.Bool} {
		a.Kind, a.Batch, a.Made = k, fmt.Sprint("batch ", i), created(-i) // the clock may go back
		note(t, s, a)
		wantColumns(t, s, "1", "events", a, b)
	}
}

// checkListTable notes a column of one name in many tables.
func checkListTable(t *testing.T, s control.Store) {
	places := []struct{ destination, table string }{
		{"1", "events"}, {"1", "Events"}, {"1", "events2"}, {"1", "raw.events"}, {"1", "raw.events2"}, {"1", "raw2.events"},
		{"2", "events"}, {"10", "events"}, {"", "events"}, {"1' or '1'='1", "events"}, {"1 ", "events"},
	}
	want := make([]control.Column, len(places))
	for i, p := range places {
		c := column(t, "a", i)
		c.Destination, c.Table, c.Batch = p.destination, table(t, p.table), fmt.Sprint("batch ", i)
		want[i] = c
	}
	note(t, s, want...)
	for i, p := range places {
		wantColumns(t, s, p.destination, p.table, want[i])
	}
	for _, p := range []struct{ destination, table string }{
		{"3", "events"}, {"%", "events"}, {"2", "raw.events"}, {"1", "raw"}, {"1", "event"},
	} {
		wantColumns(t, s, p.destination, p.table)
	}
}

func checkNoteMade(t *testing.T, s control.Store) {
	want := moments()
	for name, made := range want {
		c := column(t, name, 0)
		c.Made = made
		note(t, s, c)
	}
	list, err := s.Columns().List(t.Context(), "1", table(t, "events"))
	if err != nil || len(list) != len(want) {
		t.Fatalf("list: got %d and %v, want %d", len(list), err, len(want))
	}
	for _, c := range list {
		if d := want[c.Name].Sub(c.Made); d < 0 || d >= exact || c.Made.IsZero() != want[c.Name].IsZero() {
			t.Errorf("%s: got %v, want %v", c.Name, c.Made, want[c.Name])
		}
	}
}

func checkColumnsConcurrent(t *testing.T, s control.Store) {
	const workers, each = 8, 10
	var wg sync.WaitGroup
	var want []control.Column
	events := table(t, "events")
	for w := range workers {
		var own []control.Column
		for i := range each {
			own = append(own, column(t, fmt.Sprint(w, "/", i), i))
		}
		want = append(want, own...)
		shared := column(t, "shared", 0)
		wg.Go(func() {
			for _, c := range own {
				err := s.Columns().Note(t.Context(), []control.Column{c, shared})
				_, lerr := s.Columns().List(t.Context(), "1", events)
				if err := errors.Join(err, lerr); err != nil {
					t.Errorf("note %s: %v", c.Name, err)
				}
			}
		})
	}
	wg.Wait()
	wantColumns(t, s, "1", "events", append(want, column(t, "shared", 0))...)
}

// someColumns notes columns and gives what holds that they are kept.
func someColumns(t *testing.T, s control.Store) func(t *testing.T, s control.Store) {
	a, b, c := column(t, "a", 0), column(t, "it's a 🦆", 1), column(t, "a", 2)
	c.Table = table(t, "raw.events")
	note(t, s, a, b, c)
	a.Kind = schema.Text
	note(t, s, a)
	return func(t *testing.T, s control.Store) {
		wantColumns(t, s, "1", "events", a, b)
		wantColumns(t, s, "1", "raw.events", c)
		wantColumns(t, s, "2", "events")
	}
}

// column is one that nobody has told the store of.
func column(t *testing.T, name string, n int) control.Column {
	t.Helper()
	return control.Column{Destination: "1", Table: table(t, "events"), Name: name, Kind: schema.Int, Batch: "batch of " + name,
		Made: created(n)}
}

func note(t *testing.T, s control.Store, cols ...control.Column) {
	t.Helper()
	if err := s.Columns().Note(t.Context(), cols); err != nil {
		t.Fatalf("note: %v", err)
	}
}

// wantColumns holds that the columns of the table are want, in any order.
func wantColumns(t *testing.T, s control.Store, destination, name string, want ...control.Column) {
	t.Helper()
	got, err := s.Columns().List(t.Context(), destination, table(t, name))
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	if a, b := columnsText(got), columnsText(want); a != b {
		t.Errorf("columns of %q of %q\n got %s\nwant %s", name, destination, a, b)
	}
}

func columnsText(cols []control.Column) (text string) {
	cols = slices.SortedFunc(slices.Values(cols), func(a, b control.Column) int { return cmp.Compare(a.Name, b.Name) })
	for _, c := range cols {
		text += fmt.Sprintf("%q of %q, table %q, %s, batch %q, made %s\n", c.Name, c.Destination, c.Table, c.Kind, c.Batch,
			c.Made.UTC().Truncate(exact).Format(time.RFC3339Nano))
	}
	return text
}
