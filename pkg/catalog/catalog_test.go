package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func tableOf(t *testing.T, name string) schema.Table {
	t.Helper()
	table, err := schema.ParseTable(name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func kinds(list ...schema.Kind) (s schema.Kinds) {
	for _, k := range list {
		s = s.With(k)
	}
	return s
}

// seenOf reads "a:int b:int|text c:null".
func seenOf(t *testing.T, s string) (seen []schema.Seen) {
	t.Helper()
	words := map[string]schema.Kind{"null": schema.Null, "bool": schema.Bool, "int": schema.Int, "float": schema.Float,
		"text": schema.Text, "date": schema.Date, "nested": schema.Nested}
	for field := range strings.FieldsSeq(s) {
		name, list, _ := strings.Cut(field, ":")
		var ks []schema.Kind
		for word := range strings.SplitSeq(list, "|") {
			k, ok := words[word]
			if !ok {
				t.Fatalf("no kind %q", word)
			}
			ks = append(ks, k)
		}
		seen = append(seen, schema.Seen{Name: strings.ReplaceAll(name, "·", " "), Kinds: kinds(ks...)})
	}
	return seen
}

func batchOf(t *testing.T, seen string) destination.Batch {
	t.Helper()
	return destination.Batch{ID: "01B", Rows: 3, Seen: seenOf(t, seen)}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func mustInsert(t *testing.T, c *Catalog, d destination.Destination, table schema.Table, seen string) destination.Loaded {
	t.Helper()
	loaded, err := c.Insert(t.Context(), "1", d, table, batchOf(t, seen))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func wantColumns(t *testing.T, d *database, table schema.Table, want string) {
	t.Helper()
	if got := d.columnsOf(table); got != want {
		t.Errorf("columns:\n got %s\nwant %s", got, want)
	}
}

func wantCalls(t *testing.T, d *database, want string) {
	t.Helper()
	if got := d.took(); got != want {
		t.Errorf("calls:\n got %s\nwant %s", got, want)
	}
}

func TestInsertMakesColumns(t *testing.T) {
	const meta = "__row_id:text __batch_file:text"
	for _, tt := range []struct {
		name     string
		cap      int
		caseless bool
		batches  []string
		want     string
	}{
		{"new table", 10, false, []string{"a:int b:text"}, meta + " a:int b:text"},
		{"no columns at all", 10, false, []string{""}, meta},
		{"kinds join upward", 10, false, []string{"a:bool|int b:int|float c:int|text d:null|date e:nested"},
			meta + " a:int b:float c:text d:date e:nested"},
		{"only null: none yet", 10, false, []string{"a:null"}, meta},
		{"null first, a value later", 10, false, []string{"a:null", "a:int"}, meta + " a:int"},
		{"one that exists is never altered", 10, false, []string{"a:int", "a:float b:int"}, meta + " a:int b:int"},
		{"own columns seen are not made twice", 10, false, []string{"__row_id:int a:int __batch_file:int"}, meta + " a:int"},
		{"rescued values of the rows' own", 10, false, []string{"a:int __rescued:nested"}, meta + " a:int __rescued:text"},
		{"cap: the first in order, the rest is rescued", 2, false, []string{"a:int b:int c:int"},
			meta + " a:int b:int __rescued:text"},
		{"cap counts earlier columns", 2, false, []string{"a:int", "b:int c:int"}, meta + " a:int b:int __rescued:text"},
		{"cap does not count the null only", 2, false, []string{"a:null b:int c:int"}, meta + " b:int c:int"},
		{"cap does not count our own", 1, false, []string{"__rescued:nested a:int"}, meta + " __rescued:text a:int"},
		{"the database's names", 10, true, []string{"a·b:int"}, meta + " a_b:int"},
		{"same to the database: one column of both kinds", 10, true, []string{"Ab:int aB:text c:int"},
			meta + " Ab:text c:int"},
		{"same to the database, null first", 10, true, []string{"Ab:null aB:int"}, meta + " Ab:int"},
		{"same to the database as an existing one", 10, true, []string{"ab:int", "AB:text"}, meta + " ab:int"},
		{"same to the database as our own", 10, true, []string{"__ROW_ID:int __Batch_File:int __RESCUED:int"},
			meta + " __rescued:text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, table := newDatabase(), tableOf(t, "events")
			var dest destination.Destination = d
			if tt.caseless {
				dest = caseless{d}
			}
			c := New(tt.cap, newNotes(), quiet())
			for _, seen := range tt.batches {
				mustInsert(t, c, dest, table, seen)
			}
			wantColumns(t, d, table, tt.want)
		})
	}
}

// incomparable is a destination that has a function, so that Go compares none.
type incomparable struct {
	destination.Destination
	_ func()
}

// What is remembered of one database is not taken for another's that came under its id.
func TestInsertIntoAnotherDatabase(t *testing.T) {
	old, table, c := newDatabase(), tableOf(t, "events"), New(10, newNotes(), quiet())
	mustInsert(t, c, old, table, "a:int b:int")
	fresh := newDatabase()
	mustInsert(t, c, fresh, table, "a:text b:int")
	wantColumns(t, fresh, table, "__row_id:text __batch_file:text a:text b:int")
	wantCalls(t, fresh, "Columns CreateTable Columns AddColumns Load")
	mustInsert(t, c, fresh, table, "a:text")
	wantCalls(t, fresh, "Load")
	for _, tt := range []struct {
		name    string
		a, b    destination.Destination
		another bool
	}{
		{"the same", old, old, false},
		{"another", old, fresh, true},
		{"another driver's", old, caseless{old}, true},
		{"what cannot be compared", incomparable{Destination: old}, incomparable{Destination: fresh}, false},
	} {
		if got := isAnother(tt.a, tt.b); got != tt.another {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.another)
		}
	}
	if len(c.tables) != 1 {
		t.Errorf("got %d tables remembered, want 1", len(c.tables))
	}
}

func TestInsertRemembersColumns(t *testing.T) {
	d, table, c := newDatabase(), tableOf(t, "events"), New(10, newNotes(), quiet())
	mustInsert(t, c, d, table, "a:int")
	wantCalls(t, d, "Columns CreateTable Columns AddColumns Load")
	mustInsert(t, c, d, table, "a:int")
	wantCalls(t, d, "Load")
	mustInsert(t, c, d, table, "a:int b:int")
	wantCalls(t, d, "AddColumns Load")
	if _, err := c.Insert(t.Context(), "2", d, table, batchOf(t, "a:int")); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, d, "Columns Load") // another destination's table of the same name is another table
}

func TestInsertAddsRescueColumn(t *testing.T) {
	d, table, c := newDatabase(), tableOf(t, "events"), New(10, newNotes(), quiet())
	mustInsert(t, c, d, table, "a:int")
	d.clashes = true
	d.took()
	if got := mustInsert(t, c, d, table, "a:text").Rescued; got != 1 {
		t.Errorf("got %d values rescued, want 1", got)
	}
	wantCalls(t, d, "Load Columns AddColumns Load")
	wantColumns(t, d, table, "__row_id:text __batch_file:text a:int __rescued:text")
}

func TestTableChangedByHand(t *testing.T) {
	const made = "__row_id:text __batch_file:text a:int b:int"
	for _, tt := range []struct {
		name   string
		change func(d *database, table schema.Table)
		insert []string
		want   string
	}{
		{"dropped", func(d *database, table schema.Table) { delete(d.tables, table) }, []string{"a:int b:int"}, made},
		{"dropped, and a new column comes", func(d *database, table schema.Table) { delete(d.tables, table) },
			[]string{"a:int b:int c:int"}, made + " c:int"},
		{"column dropped", func(d *database, table schema.Table) { d.tables[table] = d.tables[table][:3] },
			[]string{"a:int b:int"}, made},
		{"column dropped, rescued exists: made again by the batch after", func(d *database, table schema.Table) {
			d.tables[table] = append(d.tables[table][:3:3], schema.Column{Name: schema.Rescued, Kind: schema.Text})
		}, []string{"a:int b:int", "a:int b:int"}, "__row_id:text __batch_file:text a:int __rescued:text b:int"},
		{"column added", func(d *database, table schema.Table) {
			d.tables[table] = append(d.tables[table], schema.Column{Name: "c", Kind: schema.Date})
		}, []string{"c:int"}, made + " c:date"},
		{"our columns dropped", func(d *database, table schema.Table) { d.tables[table] = d.tables[table][2:] },
			[]string{"a:int c:int"}, "a:int b:int c:int"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, table, c := newDatabase(), tableOf(t, "events"), New(10, newNotes(), quiet())
			mustInsert(t, c, d, table, "a:int b:int")
			tt.change(d, table)
			for _, seen := range tt.insert {
				mustInsert(t, c, d, table, seen)
			}
			wantColumns(t, d, table, tt.want)
		})
	}
}

func TestHandMadeTableGetsOurColumns(t *testing.T) {
	d, table := newDatabase(), tableOf(t, "events")
	d.tables[table] = []schema.Column{{Name: "a", Kind: schema.Int}}
	mustInsert(t, New(10, newNotes(), quiet()), d, table, "a:int")
	wantColumns(t, d, table, "a:int __row_id:text __batch_file:text")
}

func TestInsertFails(t *testing.T) {
	broken, invalid := errors.New("the connection broke"), fault.New(fault.Invalid, "bad", "the table does not take it")
	for _, tt := range []struct {
		name  string
		fails []error
		want  error
		calls string
	}{
		{"a failure is given back at once", []error{broken}, broken, "Load"},
		{"invalid once: the memory was stale", []error{invalid}, nil, "Load Columns Load"},
		{"invalid twice", []error{invalid, invalid}, fault.Invalid, "Load Columns Load"},
		{"a database that never has enough", []error{destination.ErrRescueColumn, destination.ErrRescueColumn,
			destination.ErrRescueColumn, destination.ErrRescueColumn}, destination.ErrRescueColumn,
			"Load Columns AddColumns Load Columns Load Columns Load"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, table, c := newDatabase(), tableOf(t, "events"), New(10, newNotes(), quiet())
			mustInsert(t, c, d, table, "a:int")
			d.took()
			d.fails = tt.fails
			_, err := c.Insert(t.Context(), "1", d, table, batchOf(t, "a:int"))
			if !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
			wantCalls(t, d, tt.calls)
			if tt.want != nil && !strings.Contains(err.Error(), "insert batch 01B into events") {
				t.Errorf("error %q does not say what was tried", err)
			}
		})
	}
}

func TestFailedReadIsNotRemembered(t *testing.T) {
	d, table, c := newDatabase(), tableOf(t, "events"), New(10, newNotes(), quiet())
	d.missing = true
	if _, err := c.Insert(t.Context(), "1", d, table, batchOf(t, "a:int")); err == nil {
		t.Fatal("got no error from a database that cannot be asked")
	}
	d.missing = false
	mustInsert(t, c, d, table, "a:int")
	wantColumns(t, d, table, "__row_id:text __batch_file:text a:int")
}

// hung is a database whose Columns never answers.
type hung struct {
	*database
	asked chan struct{}
}

func (h hung) Columns(ctx context.Context, _ schema.Table) ([]schema.Column, error) {
	h.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestWaitingForATableEndsWithTheContext(t *testing.T) {
	d, table, c := hung{newDatabase(), make(chan struct{})}, tableOf(t, "events"), New(10, newNotes(), quiet())
	first, stopFirst := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopFirst()
	wg.Go(func() { _, _ = c.Insert(first, "1", d, table, batchOf(t, "a:int")) })
	<-d.asked
	second, stopSecond := context.WithCancel(t.Context())
	stopSecond()
	if _, err := c.Insert(second, "1", d, table, batchOf(t, "a:int")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestConcurrentInserts(t *testing.T) {
	d, table, c := newDatabase(), tableOf(t, "events"), New(1000, newNotes(), quiet())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				_, err := c.Insert(t.Context(), "1", d, table, batchOf(t, fmt.Sprintf("c%d:int own_%d_%d:int", j, i, j)))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, want := len(d.tables[table]), 2+20+8*20; got != want {
		t.Errorf("got %d columns, want %d", got, want)
	}
	if calls := d.took(); strings.Count(calls, "CreateTable") != 1 || strings.Count(calls, "Columns ") < 2 {
		t.Errorf("the table was not made once: %s", calls)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	d, c := newDatabase(), New(10, newNotes(), quiet())
	for i := range maxTables + 10 {
		mustInsert(t, c, d, tableOf(t, fmt.Sprintf("t%d", i)), "a:int")
	}
	if got := len(c.tables); got != maxTables {
		t.Errorf("got %d tables remembered, want %d", got, maxTables)
	}
}

func TestNewTableAndColumnsAreLogged(t *testing.T) {
	var logs bytes.Buffer
	c := New(10, newNotes(), slog.New(slog.NewTextHandler(&logs, nil)))
	mustInsert(t, c, newDatabase(), tableOf(t, "events"), "a:int")
	for _, want := range []string{
		`msg="table made" destination=1 table=events`,
		`msg="column added" destination=1 table=events column=a kind=int`,
	} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("logs have no %s:\n%s", want, logs.String())
		}
	}
}
