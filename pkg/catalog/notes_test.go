package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// noting is notes that stand among the database's calls.
type noting struct {
	*notes
	d *database
}

func (n noting) Note(ctx context.Context, cols []control.Column) error {
	var names []string
	for _, c := range cols {
		names = append(names, c.Name)
	}
	n.d.call("Note(" + strings.Join(names, ",") + ")")()
	return n.notes.Note(ctx, cols)
}

// has gives what is noted, sorted, as column:kind@batch.
func (n *notes) has() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []string
	for _, c := range n.known {
		list = append(list, c.Name+":"+c.Kind.String()+"@"+c.Batch)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// A column that exists is not made again, so that a crash between the two must leave a note without a column.
func TestNotesComeBeforeColumns(t *testing.T) {
	d, table, n := newDatabase(), tableOf(t, "events"), newNotes()
	c := New(10, noting{n, d}, quiet())
	mustInsert(t, c, d, table, "a:int b:null")
	wantCalls(t, d, "Columns Note(__row_id) CreateTable Columns Note(__batch_file,a) AddColumns Load")
	mustInsert(t, c, d, table, "a:int b:null")
	wantCalls(t, d, "Load")
	mustInsert(t, c, d, table, "a:int b:date")
	wantCalls(t, d, "Note(b) AddColumns Load")
	d.clashes = true
	mustInsert(t, c, d, table, "a:text")
	wantCalls(t, d, "Load Columns Note(__rescued) AddColumns Load")
	want := "__batch_file:text@01B __rescued:text@01B __row_id:text@01B a:int@01B b:date@01B"
	if got := n.has(); got != want {
		t.Errorf("notes:\n got %s\nwant %s", got, want)
	}
}

func TestNotesSayWhereAndWhen(t *testing.T) {
	d, table, n := newDatabase(), tableOf(t, "q.events"), newNotes()
	began := time.Now()
	if _, err := New(10, n, quiet()).Insert(t.Context(), "7", caseless{d}, table, batchOf(t, "A·b:int|float")); err != nil {
		t.Fatal(err)
	}
	got := n.known["q.events.A_b"] // the database's name for it
	if got.Made.Before(began) || got.Made.After(time.Now()) {
		t.Errorf("made at %v, want just now", got.Made)
	}
	got.Made = time.Time{}
	if want := (control.Column{Destination: "7", Table: table, Name: "A_b", Kind: schema.Float, Batch: "01B"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The receipt that people follow is the whole batch's: nobody knows the ids of its parts.
func TestNotesNameTheWholeBatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    destination.Batch
		want string
	}{
		{"a part", destination.Batch{ID: "01PART", File: "01WHOLE"}, "01WHOLE"},
		{"a batch without parts", destination.Batch{ID: "01WHOLE", File: "01WHOLE"}, "01WHOLE"},
		{"no file is named", destination.Batch{ID: "01WHOLE"}, "01WHOLE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNotes()
			tt.b.Seen = seenOf(t, "a:int")
			if _, err := New(10, n, quiet()).Insert(t.Context(), "1", newDatabase(), tableOf(t, "events"), tt.b); err != nil {
				t.Fatal(err)
			}
			if got, want := n.has(), "__batch_file:text@"+tt.want+" __row_id:text@"+tt.want+" a:int@"+tt.want; got != want {
				t.Errorf("notes:\n got %s\nwant %s", got, want)
			}
		})
	}
}

// What was dropped by hand is made again for another batch, and perhaps of another kind.
func TestNotesAreReplaced(t *testing.T) {
	for _, tt := range []struct {
		name string
		drop func(d *database, table schema.Table)
		want string
	}{
		{"a column", func(d *database, table schema.Table) { d.tables[table] = d.tables[table][:2] },
			"__batch_file:text@01B __row_id:text@01B a:text@01C"},
		{"the table", func(d *database, table schema.Table) { delete(d.tables, table) },
			"__batch_file:text@01C __row_id:text@01C a:text@01C"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, table, n := newDatabase(), tableOf(t, "events"), newNotes()
			c := New(10, n, quiet())
			mustInsert(t, c, d, table, "a:int")
			tt.drop(d, table)
			b := batchOf(t, "a:text")
			b.ID = "01C"
			if _, err := c.Insert(t.Context(), "1", d, table, b); err != nil {
				t.Fatal(err)
			}
			if got := n.has(); got != tt.want {
				t.Errorf("notes:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Without its note nothing is made: the batch comes again, and notes and makes then.
func TestFailedNotesAreTriedAgain(t *testing.T) {
	broken := errors.New("the disk is full")
	for _, tt := range []struct {
		name, before, seen, columns, calls string
	}{
		{"of a table", "", "a:int", "", "Columns Note(__row_id)"},
		{"of a column", "a:int", "a:int b:int", "__row_id:text __batch_file:text a:int", "Note(b)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, table, n := newDatabase(), tableOf(t, "events"), newNotes()
			c := New(10, noting{n, d}, quiet())
			if tt.before != "" {
				mustInsert(t, c, d, table, tt.before)
			}
			d.took()
			n.fails = broken
			for range 2 {
				if _, err := c.Insert(t.Context(), "1", d, table, batchOf(t, tt.seen)); !errors.Is(err, broken) || !strings.Contains(err.Error(), "note new columns of events") {
					t.Errorf("got %v, want %v and what was tried", err, broken)
				}
				wantColumns(t, d, table, tt.columns)
			}
			if got := d.took(); !strings.HasPrefix(got, tt.calls) || strings.Contains(got, "Load") || strings.Count(got, "Note") != 2 {
				t.Errorf("got calls %s, want %s twice and nothing made or loaded", got, tt.calls)
			}
			n.fails = nil
			mustInsert(t, c, d, table, tt.seen)
			for _, name := range strings.Fields(d.columnsOf(table)) {
				if !strings.Contains(n.has(), name+"@01B") {
					t.Errorf("%s is there without a note, of %s", name, n.has())
				}
			}
		})
	}
}
