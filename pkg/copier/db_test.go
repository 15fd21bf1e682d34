package copier

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/transport/transporttest"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// answer writes a query's answer to out, until the first error of out or ctx.
type answer func(ctx context.Context, out result.Writer) error

// db is a destination in memory. A query is the name of an answer that the test has laid there, or asks how many rows of a
// copy a table has.
type db struct {
	*destinationtest.Shelf
	answers map[string]answer // not changed while the db is in use

	mu    sync.Mutex
	asked int                  // how many answers were asked for; guarded by mu
	loads int                  // that have not ended; guarded by mu
	rows  map[rowsOf]int64     // that were loaded; guarded by mu
	count func() (int64, bool) // what is counted instead, when not nil; guarded by mu
	odd   error                // of a look at the columns, when not nil; guarded by mu
}

// rowsOf are the rows of one copy in one table.
type rowsOf struct {
	table schema.Table
	job   string
}

func newDB(answers map[string]answer) *db {
	return &db{Shelf: destinationtest.NewShelf(), answers: answers, rows: make(map[rowsOf]int64)}
}

// Dialect implements tables.Speaker.
func (d *db) Dialect() postgrest.Dialect { return postgrest.DuckDB{} }

// Columns implements destination.Destination.
func (d *db) Columns(ctx context.Context, table schema.Table) ([]schema.Column, error) {
	d.mu.Lock()
	odd := d.odd
	d.mu.Unlock()
	if odd != nil {
		return nil, odd
	}
	return d.Shelf.Columns(ctx, table)
}

// Load implements destination.Destination.
func (d *db) Load(ctx context.Context, table schema.Table, b destination.Batch) (destination.Loaded, error) {
	d.mu.Lock()
	d.loads++
	d.mu.Unlock()
	loaded, err := d.Shelf.Load(ctx, table, b)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loads--
	if err == nil && !loaded.Already {
		d.rows[rowsOf{table, b.BatchFile()}] += loaded.Rows
	}
	return loaded, err
}

// Query implements destination.Destination.
func (d *db) Query(ctx context.Context, sql string, args []any, out result.Writer) error {
	if strings.HasPrefix(sql, "SELECT count(*)") {
		return d.countRows(args, out)
	}
	d.mu.Lock()
	d.asked++
	d.mu.Unlock()
	if a := d.answers[sql]; a != nil {
		return a(ctx, out)
	}
	for name := range d.answers {
		if sql == query.First(name, 0) {
			return numbers(0, 1, 0)(ctx, out)
		}
	}
	return fault.New(fault.Invalid, "invalid_sql", "nothing is known of %q", sql)
}

// countRows answers with the rows of the copy that args name, in all tables.
func (d *db) countRows(args []any, out result.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("count: got the arguments %v, want one", args)
	}
	d.mu.Lock()
	var n int64
	for of, rows := range d.rows {
		if of.job == args[0] {
			n += rows
		}
	}
	v := &vector.Vector{Type: vector.Type{Kind: vector.Int, Bits: 64}, Ints: []int64{n}}
	if d.count != nil {
		m, whole := d.count()
		v.Ints[0] = n + m
		if whole {
			v = &vector.Vector{Type: vector.Type{Kind: vector.Uint, Bits: 64}, Uints: []uint64{uint64(n + m)}}
		}
	}
	d.mu.Unlock()
	if err := out.Begin([]vector.Field{{Name: "count", Type: v.Type}}); err != nil {
		return err
	}
	if err := out.Write(&vector.Batch{Rows: 1, Cols: []*vector.Vector{v}}); err != nil {
		return err
	}
	return out.End()
}

// of tells how many rows of the job the table has.
func (d *db) of(table, job string) (n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for of, rows := range d.rows {
		if of.table.String() == table && of.job == job {
			n = rows
		}
	}
	return n
}

// busy tells whether a load has not ended.
func (d *db) busy() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.loads > 0
}

// questions tells how often an answer was asked for.
func (d *db) questions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// wantNumbers checks that the rows of d are those of the answer numbers, each once.
func (d *db) wantNumbers(t *testing.T, rows int) {
	t.Helper()
	times := make(map[int]int)
	for _, line := range d.Lines() {
		var row struct{ N int }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		times[row.N]++
	}
	for n := range rows {
		if times[n] != 1 {
			t.Errorf("row %d is there %d times, want once", n, times[n])
		}
	}
	if len(times) != rows {
		t.Errorf("got %d rows, want %d", len(times), rows)
	}
}

// numbers answers with rows rows of a number n, from 0 on, and a text, so many at a time, with a pause before each time.
func numbers(rows, each int, pause time.Duration) answer {
	return func(ctx context.Context, out result.Writer) error {
		number, text := vector.Type{Kind: vector.Int, Bits: 64}, vector.Type{Kind: vector.Text}
		if err := out.Begin([]vector.Field{{Name: "n", Type: number}, {Name: "text", Type: text}}); err != nil {
			return err
		}
		for from := 0; from < rows; from += each {
			if err := rest(ctx, pause); err != nil {
				return err
			}
			b := &vector.Batch{Rows: min(each, rows-from), Cols: []*vector.Vector{{Type: number}, {Type: text}}}
			for n := from; n < from+b.Rows; n++ {
				b.Cols[0].Ints = append(b.Cols[0].Ints, int64(n))
				b.Cols[1].Texts = append(b.Cols[1].Texts, fmt.Sprintf("row %d", n))
			}
			if err := out.Write(b); err != nil {
				return err
			}
		}
		return out.End()
	}
}

// rest waits for d, at most until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The steps of a query that a script can let fail.
const (
	opQuery = "query begin"
	opRows  = "query rows"
	opEnd   = "query end"
	opCount = "query count"
)

// faultyDB is a db whose queries are under a script.
type faultyDB struct {
	*db
	s *transporttest.Script
}

func (f faultyDB) Query(ctx context.Context, sql string, args []any, out result.Writer) error {
	op := opQuery
	if strings.HasPrefix(sql, "SELECT count(*)") {
		op = opCount
	}
	return f.s.Do(op, func() error { return f.db.Query(ctx, sql, args, faultyWriter{out, f.s}) })
}

type faultyWriter struct {
	result.Writer
	s *transporttest.Script
}

func (f faultyWriter) Write(b *vector.Batch) error {
	return f.s.Do(opRows, func() error { return f.Writer.Write(b) })
}

func (f faultyWriter) End() error { return f.s.Do(opEnd, f.Writer.End) }

// mute is a destination that speaks no SQL that anybody knows.
type mute struct{ destination.Destination }
