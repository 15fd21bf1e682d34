package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// shelf is a destination in memory that keeps the port's promises, except that it speaks no SQL: a query is the name of
// an answer that the test has laid there.
type shelf struct {
	answers map[string]answer // not changed while the shelf is in use

	mu      sync.Mutex
	tables  map[schema.Table][]schema.Column
	rows    map[string][]string // canonical lines, by table
	batches map[string]destination.Loaded
	refusal error // of every new batch, when not nil
}

// answer writes a query's answer to out, until the first error of out or ctx.
type answer func(ctx context.Context, out result.Writer) error

func newShelf(answers map[string]answer) *shelf {
	return &shelf{answers: answers, tables: make(map[schema.Table][]schema.Column), rows: make(map[string][]string),
		batches: make(map[string]destination.Loaded)}
}

func (s *shelf) CreateTable(_ context.Context, table schema.Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.tables[table]; !ok {
		s.tables[table] = []schema.Column{{Name: schema.RowID, Kind: schema.Text}}
	}
	return nil
}

func (s *shelf) Columns(_ context.Context, table schema.Table) ([]schema.Column, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cols, ok := s.tables[table]
	if !ok {
		return nil, fault.New(fault.NotFound, "unknown_table", "no table %s", table)
	}
	return slices.Clone(cols), nil
}

func (s *shelf) AddColumns(_ context.Context, table schema.Table, cols []schema.Column) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cols {
		if !s.has(table, c.Name) {
			s.tables[table] = append(s.tables[table], c)
		}
	}
	return nil
}

func (s *shelf) has(table schema.Table, name string) bool {
	return slices.ContainsFunc(s.tables[table], func(c schema.Column) bool { return c.Name == name })
}

func (s *shelf) Load(ctx context.Context, table schema.Table, b destination.Batch) (destination.Loaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if loaded, ok := s.batches[b.ID]; ok {
		loaded.Already = true
		return loaded, nil
	}
	if s.refusal != nil {
		return destination.Loaded{}, s.refusal
	}
	lines, err := s.read(ctx, table, b)
	if err != nil {
		return destination.Loaded{}, err
	}
	s.rows[table.String()] = append(s.rows[table.String()], lines...)
	s.batches[b.ID] = destination.Loaded{Rows: int64(len(lines))}
	return s.batches[b.ID], nil
}

// read reads b's rows and checks that every value has a column.
func (s *shelf) read(ctx context.Context, table schema.Table, b destination.Batch) (lines []string, err error) {
	r, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return lines, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read rows of %s: %w", b.ID, err)
		}
		var row map[string]json.RawMessage
		if err := json.Unmarshal(line, &row); err != nil {
			return nil, fmt.Errorf("row of %s: %w", b.ID, err)
		}
		for name := range row {
			if !s.has(table, name) {
				return nil, destination.ErrRescueColumn
			}
		}
		lines = append(lines, string(bytes.TrimSpace(line)))
	}
}

func (s *shelf) Query(ctx context.Context, sql string, _ []any, out result.Writer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a, ok := s.answers[sql]
	if !ok {
		return fault.New(fault.Invalid, "invalid_sql", "nothing is known of %q", sql)
	}
	return a(ctx, out)
}

func (s *shelf) Tables(context.Context) ([]schema.Table, error) { return nil, fault.Unsupported }
func (s *shelf) Close() error                                   { return nil }

// refuse lets every new batch fail with err, nil lets them through again.
func (s *shelf) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
}

// count tells how many rows a table has.
func (s *shelf) count(table string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows[table])
}

// numbers answers with as many rows of one column n, 0 and on, and fails with then when that is not nil.
func numbers(rows int, then error) answer {
	return func(ctx context.Context, out result.Writer) error {
		if err := beginNumbers(out); err != nil {
			return err
		}
		for n := range rows {
			if err := errors.Join(ctx.Err(), writeNumber(out, n)); err != nil {
				return err
			}
		}
		if then != nil {
			return then
		}
		return out.End()
	}
}

var numberType = vector.Type{Kind: vector.Int, Bits: 64}

func beginNumbers(out result.Writer) error {
	return out.Begin([]vector.Field{{Name: "n", Type: numberType}})
}

func writeNumber(out result.Writer, n int) error {
	return out.Write(&vector.Batch{Rows: 1, Cols: []*vector.Vector{{Type: numberType, Ints: []int64{int64(n)}}}})
}

// waiting answers with as many rows, then waits until its context ends, tells why, and fails as an engine does that was
// interrupted.
func waiting(rows int, told chan<- error) answer {
	return func(ctx context.Context, out result.Writer) error {
		err := beginNumbers(out)
		for n := 0; n < rows && err == nil; n++ {
			err = writeNumber(out, n)
		}
		if err == nil {
			<-ctx.Done()
		}
		told <- errors.Join(err, ctx.Err())
		return errors.New("INTERRUPT Error: interrupted")
	}
}

// endless answers with rows until that fails, and tells why it did.
func endless(told chan<- error) answer {
	return func(ctx context.Context, out result.Writer) error {
		err := beginNumbers(out)
		ints := make([]int64, 2048)
		for err == nil {
			err = errors.Join(ctx.Err(), out.Write(&vector.Batch{Rows: len(ints), Cols: []*vector.Vector{{Type: numberType, Ints: ints}}}))
		}
		told <- err
		return err
	}
}

// panicking answers with as many rows, then panics.
func panicking(rows int) answer {
	return func(ctx context.Context, out result.Writer) error {
		if err := numbers(rows, errors.New("go on"))(ctx, out); err == nil {
			return nil
		}
		panic("the engine's glue is wrong: hunter2")
	}
}
