package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// recorder writes down the loads that a destination takes.
type recorder struct {
	destination.Destination
	mu    *sync.Mutex
	loads *[]string                                       // guarded by mu
	also  func(table schema.Table, l *destination.Loaded) // changes what a load says, when not nil
}

func (r recorder) Load(ctx context.Context, table schema.Table, b destination.Batch) (destination.Loaded, error) {
	l, err := r.Destination.Load(ctx, table, b)
	if err != nil {
		return l, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.loads = append(*r.loads, loadText(table.String(), b.ID, b.File, b.Rows, l.Already))
	if r.also != nil {
		r.also(table, &l)
	}
	return l, nil
}

func loadText(table, id, file string, rows int64, already bool) string {
	return fmt.Sprintf("%s %s of %s: %d rows, already %v", table, id, file, rows, already)
}

// record lets the plant's destinations write down their loads.
func record(p *plant, also func(schema.Table, *destination.Loaded)) (loads func() []string) {
	var mu sync.Mutex
	var list []string
	p.wrap = func(d destination.Destination, _ *script) destination.Destination {
		return recorder{d, &mu, &list, also}
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

func wantLoads(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got loads\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A batch that has rows for several tables is loaded into each of them once, under an id for each, and its receipts and
// metrics count all of them.
func TestBatchWithParts(t *testing.T) {
	s := newShelf()
	var loads func() []string
	why := func(table schema.Table, l *destination.Loaded) {
		l.Rescued = 3
		l.Why[schema.Unfit], l.Why[schema.Duplicate] = 2, 1
	}
	change := func(p *plant) { loads = record(p, why) }
	bubble(t, destination.ByID{"1": s}, change, func(t *testing.T, p *plant) {
		one, two := p.insertOrder("1", "orders", ""), p.insertOrder("1", "orders", "key")
		rec := p.wait(one, StateLoaded)
		if rec.Rows != 4 || rec.BatchRows != 8 || rec.Table != "orders" || rec.Rescued != 9 {
			t.Errorf("got %+v, want 4 of 8 rows and 9 rescued values", rec)
		}
		if again := p.wait(two, StateLoaded); again.Batch != rec.Batch || again.Rows != 4 {
			t.Errorf("got %+v, want 4 rows of the same batch", again)
		}
		p.sendAgain()
		p.awaitIdle()
		p.wantOnce(s)
		b := rec.Batch
		wantLoads(t, loads(), loadText("orders", b, b, 2, false), loadText("bill", rowid.Part(b, 1), b, 2, false),
			loadText("items", rowid.Part(b, 2), b, 4, false))
		if text := strings.Join(s.Lines(), "\n"); strings.Contains(text, schema.TableTag) {
			t.Errorf("rows still have tags: %s", text)
		}
		for name, want := range map[string]float64{
			"scratchdata_loaded_rows_total 1":              8,
			"scratchdata_batches_total loaded":             1,
			"scratchdata_rescued_values_total 1 unfit":     6,
			"scratchdata_rescued_values_total 1 duplicate": 3,
			"scratchdata_rescued_values_total 1 no_column": 0,
			"scratchdata_rescued_values_total 1 reserved":  0,
		} {
			if got, ok := p.metrics()[name]; !ok || got != want {
				t.Errorf("%s: got %v (there: %v), want %v", name, got, ok, want)
			}
		}
	})
}

// A message that comes again when nothing but the destination knows the batch adds nothing to any table.
func TestForgottenBatchWithPartsIsLoadedOnce(t *testing.T) {
	s := newShelf()
	var loads func() []string
	bubble(t, destination.ByID{"1": s}, func(p *plant) { loads = record(p, nil) }, func(t *testing.T, p *plant) {
		var message []byte
		var once sync.Once
		s.Wait = func(ctx context.Context, b destination.Batch) (err error) {
			once.Do(func() {
				var known control.Batch
				known, err = p.control.Batches().Find(ctx, b.File)
				message = known.Message // which the record has until the batch is loaded
			})
			return err
		}
		receipt := p.insertOrder("1", "orders", "")
		b := p.wait(receipt, StateLoaded).Batch
		sleep(t.Context(), time.Minute)
		if err := p.control.Prune(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := p.stores.Queue.Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		await(t, "the message was not taken again", func() bool { return len(loads()) == 6 })
		if rec := p.wait(receipt, StateLoaded); rec.BatchRows != 4 {
			t.Errorf("got %d rows in the batch, want 4", rec.BatchRows)
		}
		p.awaitIdle()
		p.wantOnce(s)
		wantLoads(t, loads()[3:], loadText("orders", b, b, 1, true), loadText("bill", rowid.Part(b, 1), b, 1, true),
			loadText("items", rowid.Part(b, 2), b, 2, true))
	})
}

// ship puts a batch of the lines into the blob store and sends its message.
func (p *plant) ship(table string, parts []schema.Part, lines ...string) Shipment {
	p.t.Helper()
	s := Shipment{Batch: rowBatch(p), Destination: "1", Table: tableOf(p.t, table), Rows: int64(len(lines)), Parts: parts, Created: time.Now()}
	rows := strings.Join(lines, "")
	s.Key, s.Bytes = "1/"+table+"/"+s.Batch+".ndjson", int64(len(rows))
	if err := p.stores.Blobs.Put(p.t.Context(), s.Key, strings.NewReader(rows)); err != nil {
		p.t.Fatal(err)
	}
	p.send(s)
	await(p.t, "the batch is not known", func() bool { _, err := p.control.Batches().Find(p.t.Context(), s.Batch); return err == nil })
	return s
}

// A table for which a batch has no rows is not made.
func TestOwnTableWithoutRows(t *testing.T) {
	s := newShelf()
	bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
		parts := []schema.Part{{Table: tableOf(t, "bill"), Rows: 2}}
		b := p.ship("orders", parts, `{"__table":"bill","__row_id":"a"}`+"\n", `{"__table":"bill","__row_id":"b"} `+"\n")
		if rec := p.wait(b.Batch, StateLoaded); rec.BatchRows != 2 {
			t.Errorf("got %+v, want 2 rows", rec)
		}
		if _, err := s.Columns(t.Context(), b.Table); !errors.Is(err, fault.NotFound) || s.Count("bill") != 2 {
			t.Errorf("got %d rows in the other table, and of the own %v, want 2 and %v", s.Count("bill"), err, fault.NotFound)
		}
	})
}

// part2 fails the second other table of each batch until it is mended.
func part2(s *shelf, err error) (mend func()) {
	var mu sync.Mutex
	s.Fail = func(b destination.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if b.ID == rowid.Part(b.File, 2) {
			return err
		}
		return nil
	}
	return func() { mu.Lock(); defer mu.Unlock(); err = nil }
}

// When one table cannot take its rows the batch is dead in the end. What the others have stays there once, also when the
// batch is replayed.
func TestPartThatCannotBeLoaded(t *testing.T) {
	s := newShelf()
	mend := part2(s, errors.New("the table is on fire"))
	bubble(t, destination.ByID{"1": s}, func(p *plant) { p.cfg.MaxAttempts = 3 }, func(t *testing.T, p *plant) {
		receipt := p.insertOrder("1", "orders", "key")
		rec := p.wait(receipt, StateDead)
		if rec.Attempts != 3 || !strings.Contains(rec.Reason, "the table is on fire") || !strings.Contains(rec.Reason, "items") || rec.Rows != 4 {
			t.Errorf("got %+v, want 3 attempts and the table's reason", rec)
		}
		if o, b, i := s.Count("orders"), s.Count("bill"), s.Count("items"); o != 1 || b != 1 || i != 0 {
			t.Errorf("got %d, %d and %d rows, want 1, 1 and 0", o, b, i)
		}
		p.sendAgain() // it is stored, though it cannot be loaded
		mend()
		if err := p.graves.Replay(t.Context(), "1", p.wantDead(1)[0].ID); err != nil {
			t.Fatal(err)
		}
		await(t, "the batch is dead", func() bool { return p.find(receipt).State == StateLoaded })
		p.wantDead(0)
		p.awaitIdle()
		p.wantOnce(s)
		if rec := p.find(receipt); rec.BatchRows != 4 {
			t.Errorf("got %+v, want 4 rows loaded", rec)
		}
	})
}

// A blob that is gone when some tables have their rows is missing all the same; one that is gone when all have is not.
func TestMissingBlobOfParts(t *testing.T) {
	s := newShelf()
	part2(s, errors.New("the table is on fire"))
	bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
		parts := []schema.Part{{Table: tableOf(t, "bill"), Rows: 1}, {Table: tableOf(t, "items"), Rows: 1}}
		b := p.ship("orders", parts, `{"__row_id":"a"}`+"\n", `{"__table":"bill","__row_id":"b"}`+"\n", `{"__table":"items","__row_id":"c"} `+"\n")
		await(t, "no try failed", func() bool { rec, err := p.receipts.Find(t.Context(), b.Batch); return err == nil && rec.Reason != "" })
		if err := p.stores.Blobs.Delete(t.Context(), b.Key); err != nil {
			t.Fatal(err)
		}
		s.Fail = nil
		rec := p.wait(b.Batch, StateDead)
		if !strings.HasPrefix(rec.Reason, "the blob is missing: "+b.Key) {
			t.Errorf("got reason %q, want the missing blob", rec.Reason)
		}
		if o, b, i := s.Count("orders"), s.Count("bill"), s.Count("items"); o != 1 || b != 1 || i != 0 {
			t.Errorf("got %d, %d and %d rows, want 1, 1 and 0", o, b, i)
		}
	})
}

func TestShipmentParts(t *testing.T) {
	batch := rowid.NewSource().Batch()
	a, b := schema.Part{Table: tableOf(t, "s.a"), Rows: 2, Seen: []schema.Seen{{Name: "x", Kinds: 4}}}, schema.Part{Table: tableOf(t, "b"), Rows: 3}
	own := func(rows int64, mixed bool) part {
		return part{id: batch, mixed: mixed, Part: schema.Part{Table: tableOf(t, "own"), Rows: rows}}
	}
	first, second := part{rowid.Part(batch, 1), true, true, a}, part{rowid.Part(batch, 2), true, true, b}
	for _, tt := range []struct {
		name  string
		rows  int64
		parts []schema.Part
		want  []part
	}{
		{"none", 5, nil, []part{own(5, false)}},
		{"some", 7, []schema.Part{a, b}, []part{own(2, true), first, second}},
		{"nothing else", 5, []schema.Part{a, b}, []part{first, second}},
		{"nothing", 0, nil, []part{own(0, false)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Shipment{Batch: batch, Destination: "1", Table: tableOf(t, "own"), Key: "k", Rows: tt.rows, Parts: tt.parts}
			if got := s.parts(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			message, err := s.encode()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := parseShipment(message); err != nil || !reflect.DeepEqual(again, s) {
				t.Errorf("%s\n got %+v, %v\nwant %+v", message, again, err, s)
			}
		})
	}
}

func TestRowsOfAPart(t *testing.T) {
	const all = `{"__row_id":"a"}` + "\n" + `{"__table":"b","__row_id":"b"}` + "\n" + `{"__table":"bb","__row_id":"c"} ` + "\n"
	for _, tt := range []struct {
		part part
		want string
	}{
		{part{}, all},
		{part{mixed: true, Part: schema.Part{Table: tableOf(t, "b")}}, `{"__row_id":"a"}` + "\n"},
		{part{mixed: true, tagged: true, Part: schema.Part{Table: tableOf(t, "b")}}, `{"__row_id":"b"}` + "\n"},
	} {
		r := tt.part.rows(io.NopCloser(strings.NewReader(all)))
		if got, err := io.ReadAll(r); err != nil || string(got) != tt.want {
			t.Errorf("%+v\n got %q, %v\nwant %q", tt.part, got, err, tt.want)
		}
	}
}

// partOf is what a batch has for another table.
func partOf(t *testing.T, table string, rows int64) schema.Part {
	t.Helper()
	return schema.Part{Table: tableOf(t, table), Rows: rows}
}
