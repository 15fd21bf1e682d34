package transport

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// shelf is a destination in memory that keeps the port's promises: a batch id is taken once, its rows all or none, and
// rows are asked for only when the batch is new.
type shelf struct {
	mu      sync.Mutex
	tables  map[schema.Table][]schema.Column
	rows    map[schema.Table][]string // canonical lines
	batches map[string]destination.Loaded
	fail    func(b destination.Batch) error                      // refuses a batch, when not nil
	wait    func(ctx context.Context, b destination.Batch) error // delays a load, when not nil
}

func newShelf() *shelf {
	return &shelf{tables: make(map[schema.Table][]schema.Column), rows: make(map[schema.Table][]string),
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
	if s.wait != nil {
		if err := s.wait(ctx, b); err != nil {
			return destination.Loaded{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if loaded, ok := s.batches[b.ID]; ok {
		loaded.Already = true
		return loaded, nil
	}
	if s.fail != nil {
		if err := s.fail(b); err != nil {
			return destination.Loaded{}, err
		}
	}
	lines, err := s.read(ctx, table, b)
	if err != nil {
		return destination.Loaded{}, err
	}
	s.rows[table] = append(s.rows[table], lines...)
	s.batches[b.ID] = destination.Loaded{Rows: int64(len(lines))}
	return s.batches[b.ID], nil
}

// read reads b's rows and checks that every value has a column.
func (s *shelf) read(ctx context.Context, table schema.Table, b destination.Batch) (lines []string, err error) {
	r, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // only read
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			break
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
	if int64(len(lines)) != b.Rows {
		return nil, fault.New(fault.Invalid, "bad_rows", "batch %s has %d rows, %d were promised", b.ID, len(lines), b.Rows)
	}
	return lines, nil
}

func (s *shelf) Query(context.Context, string, []any, result.Writer) error { return fault.Unsupported }
func (s *shelf) Tables(context.Context) ([]schema.Table, error)            { return nil, fault.Unsupported }
func (s *shelf) Close() error                                              { return nil }

// numbers counts how often each value of the column n is there.
func (s *shelf) numbers() (map[int]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	times := make(map[int]int)
	for _, lines := range s.rows {
		for _, line := range lines {
			var row struct{ N int }
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				return nil, err
			}
			times[row.N]++
		}
	}
	return times, nil
}

// loaded tells how many batches are there.
func (s *shelf) loaded() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batches)
}
