package tables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

const batch = "01K0000000000000000000000Z"

var errBroken = errors.New("the connection broke")

// base is a destination with one table. It takes names for the same whatever their case.
type base struct {
	*destinationtest.Shelf
	fails error
}

func (b base) Columns(ctx context.Context, table schema.Table) ([]schema.Column, error) {
	if b.fails != nil {
		return nil, b.fails
	}
	return b.Shelf.Columns(ctx, table)
}

func (b base) Tables(context.Context) ([]schema.Table, error) { return []schema.Table{events}, b.fails }

func (base) ColumnName(key string) string         { return strings.ReplaceAll(key, " ", "_") }
func (base) Fold(name string) string              { return strings.ToLower(name) }
func (base) ColumnKind(k schema.Kind) schema.Kind { return k }

// rescuing is a base with rescued values.
type rescuing struct {
	base
	rows   []Rescued
	counts map[string]int64
	asked  *int                    // how many rows were given
	was    *map[string]schema.Kind // what Restore was told
}

var (
	_      destination.Rules   = base{}
	_      destination.Rescuer = rescuing{}
	events                     = parse("events")
)

func parse(name string) schema.Table {
	table, err := schema.ParseTable(name)
	if err != nil {
		panic(err)
	}
	return table
}

func (r rescuing) Rescued(ctx context.Context, table schema.Table, each func(rowID, object string) error) error {
	if _, err := r.Columns(ctx, table); err != nil {
		return err
	}
	for _, row := range r.rows {
		*r.asked++
		if err := each(row.RowID, row.Object); err != nil {
			return fmt.Errorf("read the rescued values: %w", err)
		}
	}
	return nil
}

func (r rescuing) CountRescued(_ context.Context, _ schema.Table, each func(key string, rows int64) error) error {
	for key, n := range r.counts {
		if err := each(key, n); err != nil {
			return err
		}
	}
	return r.fails
}

func (r rescuing) Restore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (destination.Restored, error) {
	*r.was = was
	_, err := r.Columns(ctx, table)
	return destination.Restored{Rows: 1, Values: 2, Left: 3}, err
}

// notes is what is known of columns.
type notes struct {
	list  []control.Column
	fails error
}

func (notes) Note(context.Context, []control.Column) error { return fault.Unsupported }

func (n notes) List(_ context.Context, id string, table schema.Table) ([]control.Column, error) {
	elsewhere := func(c control.Column) bool { return c.Destination != id || c.Table != table }
	return slices.DeleteFunc(slices.Clone(n.list), elsewhere), n.fails
}

func noted(id, name string, kind schema.Kind) control.Column {
	return control.Column{Destination: id, Table: events, Name: name, Kind: kind, Batch: batch, Made: time.UnixMicro(1)}
}

// newBase returns a destination with the table events, of such columns.
func newBase(t *testing.T, columns ...string) base {
	t.Helper()
	b := base{Shelf: destinationtest.NewShelf()}
	if err := b.CreateTable(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	for _, name := range columns {
		if err := b.AddColumns(t.Context(), events, []schema.Column{{Name: name, Kind: schema.Int, Type: "BIGINT"}}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func newRescuing(b base) rescuing {
	return rescuing{base: b, asked: new(int), was: new(map[string]schema.Kind)}
}

func newTables(dests destination.ByID, n control.Columns) *Tables {
	return New(destination.NewSet(dests), n, slog.New(slog.DiscardHandler))
}

// A rescued value counts for the column that its key means to the database.
func TestShapeCountsRescuedValues(t *testing.T) {
	for _, tt := range []struct {
		name    string
		columns []string
		counts  map[string]int64
		want    string // the columns that have any
		all     int64
	}{
		{"none", []string{"a"}, nil, "", 0},
		{"its name", []string{"a", "b"}, map[string]int64{"a": 2}, "a:2", 2},
		{"a second value", []string{"a"}, map[string]int64{"a": 2, "a#2": 1, "a#3": 1, "a#10": 5}, "a:9", 9},
		{"another case", []string{"Ab"}, map[string]int64{"AB": 1, "ab": 2, "aB#2": 4}, "Ab:7", 7},
		{"another name", []string{"a_b"}, map[string]int64{"a b": 1, "A B#2": 1}, "a_b:2", 2},
		{"no column", []string{"a"}, map[string]int64{"b": 1, "b#2": 2, "": 4, "#2": 8}, "", 15},
		{"no numbers", []string{"a"}, map[string]int64{"a#1": 1, "a#": 2, "a#x": 4, "a#02": 8, "a2": 16, "a#2#": 32, "#a": 64}, "", 127},
		{"a number in the column's name", []string{"a", "a#2"}, map[string]int64{"a#2": 1, "a#3": 2, "a#2#2": 4}, "a#2:5 a:2", 7},
		{"ours", []string{"__batch_file"}, map[string]int64{"__row_id": 1, "__batch_file#2": 2}, "__batch_file:2 __row_id:1", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newRescuing(newBase(t, tt.columns...))
			d.counts = tt.counts
			shape, err := newTables(destination.ByID{"1": d}, notes{}).Shape(t.Context(), "1", events)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range shape.Columns {
				if c.Rescued > 0 {
					got = append(got, fmt.Sprintf("%s:%d", c.Name, c.Rescued))
				}
			}
			slices.Sort(got)
			if strings.Join(got, " ") != tt.want || shape.Rescued != tt.all {
				t.Errorf("got %q and %d in all, want %q and %d", got, shape.Rescued, tt.want, tt.all)
			}
		})
	}
}

func TestShapeHasWhatWasNoted(t *testing.T) {
	n := notes{list: []control.Column{noted("1", "A b", schema.Int), noted("1", "gone", schema.Int), noted("2", "other", schema.Int)}}
	d := newBase(t, "a_B", "other")
	shape, err := newTables(destination.ByID{"1": d}, n).Shape(t.Context(), "1", events) // which is no Rescuer
	if err != nil {
		t.Fatal(err)
	}
	made := time.UnixMicro(1)
	want := Shape{Columns: []Column{
		{Name: schema.RowID, Kind: "text"},
		{Name: "a_B", Type: "BIGINT", Kind: "int", Created: &made, Receipt: rowid.Receipt(batch, 0, rowid.WholeBatch)},
		{Name: "other", Type: "BIGINT", Kind: "int"},
	}}
	if !reflect.DeepEqual(shape, want) {
		t.Errorf("got %+v, want %+v", shape, want)
	}
}

func TestRescuedStopsAtTheLimit(t *testing.T) {
	for _, tt := range []struct {
		rows, limit int
		got, asked  int
		more        bool
	}{
		{0, 5, 0, 0, false}, {4, 5, 4, 4, false}, {5, 5, 5, 5, false}, {6, 5, 5, 6, true}, {1000, 1, 1, 2, true},
	} {
		d := newRescuing(newBase(t))
		for i := range tt.rows {
			d.rows = append(d.rows, Rescued{fmt.Sprint(i), "{}"})
		}
		rows, more, err := newTables(destination.ByID{"1": d}, notes{}).Rescued(t.Context(), "1", events, tt.limit)
		if err != nil || len(rows) != tt.got || more != tt.more || *d.asked != tt.asked {
			t.Errorf("%d of %d: got %d rows, more %v, %v, with %d read; want %+v", tt.limit, tt.rows, len(rows), more, err, *d.asked, tt)
		}
		if !slices.Equal(rows, d.rows[:tt.got]) {
			t.Errorf("%d of %d: got %v, want the first", tt.limit, tt.rows, rows)
		}
	}
}

// Rows with large values end a listing early, whatever its limit.
func TestRescuedStopsAtItsSize(t *testing.T) {
	d := newRescuing(newBase(t))
	large := `{"a":"` + strings.Repeat("x", maxListed/2) + `"}`
	for i := range 5 {
		d.rows = append(d.rows, Rescued{fmt.Sprint(i), large})
	}
	rows, more, err := newTables(destination.ByID{"1": d}, notes{}).Rescued(t.Context(), "1", events, 100)
	if err != nil || len(rows) != 2 || !more {
		t.Errorf("got %d rows, more %v, %v, want 2 and more", len(rows), more, err)
	}
}

func TestReplayKnowsTheFirstKinds(t *testing.T) {
	var log bytes.Buffer
	d := newRescuing(newBase(t))
	n := notes{list: []control.Column{noted("1", "a", schema.Int), noted("1", "b", schema.Date), noted("2", "c", schema.Int)}}
	tables := New(destination.NewSet(destination.ByID{"1": d}), n, slog.New(slog.NewTextHandler(&log, nil)))
	did, err := tables.Replay(t.Context(), "1", events)
	if want := (destination.Restored{Rows: 1, Values: 2, Left: 3}); err != nil || did != want {
		t.Errorf("got %+v, %v, want %+v", did, err, want)
	}
	if want := (map[string]schema.Kind{"a": schema.Int, "b": schema.Date}); !maps.Equal(*d.was, want) {
		t.Errorf("got kinds %v, want %v", *d.was, want)
	}
	if want := `msg="rescued values replayed" destination=1 table=events rows=1 values=2 left=3`; !strings.Contains(log.String(), want) {
		t.Errorf("got log %s, want %s", log.String(), want)
	}
}

func TestWhatFails(t *testing.T) {
	well, broken := newRescuing(newBase(t)), newRescuing(base{destinationtest.NewShelf(), errBroken})
	var log bytes.Buffer
	for _, tt := range []struct {
		name  string
		id    string
		table schema.Table
		dest  destination.Destination
		notes notes
		want  map[string]error // by call; none for the others
	}{
		{"unknown destination", "2", events, well, notes{}, all(fault.NotFound)},
		{"unknown table", "1", parse("nowhere"), well, notes{}, but(fault.NotFound, "list")},
		{"no rescuer", "1", events, well.base, notes{}, map[string]error{"rescued": fault.Unsupported, "replay": fault.Unsupported}},
		{"the destination", "1", events, broken, notes{}, all(errBroken)},
		{"the notes", "1", events, well, notes{fails: errBroken}, map[string]error{"shape": errBroken, "replay": errBroken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			*well.was = nil
			tables := New(destination.NewSet(destination.ByID{"1": tt.dest}), tt.notes, slog.New(slog.NewTextHandler(&log, nil)))
			got := make(map[string]error)
			_, got["list"] = tables.List(t.Context(), tt.id)
			_, got["shape"] = tables.Shape(t.Context(), tt.id, tt.table)
			_, _, got["rescued"] = tables.Rescued(t.Context(), tt.id, tt.table, 9)
			_, got["replay"] = tables.Replay(t.Context(), tt.id, tt.table)
			for call, err := range got {
				if !errors.Is(err, tt.want[call]) {
					t.Errorf("%s: got %v, want %v", call, err, tt.want[call])
				}
			}
		})
	}
	if log.Len() > 0 {
		t.Errorf("got log %s of replays that failed", log.String())
	}
}

func all(err error) map[string]error {
	return map[string]error{"list": err, "shape": err, "rescued": err, "replay": err}
}

func but(err error, call string) map[string]error {
	m := all(err)
	delete(m, call)
	return m
}
