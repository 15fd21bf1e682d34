package destinationtest

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
)

// Shelf is a destination in memory for the tests of those who load: it keeps the port's promises about tables and loads, a
// batch id is taken once, its rows all or none, and rows are asked for only when the batch is new. It speaks no SQL.
type Shelf struct {
	Wait func(ctx context.Context, b destination.Batch) error // delays a load, when not nil
	Fail func(b destination.Batch) error                      // refuses a new batch, when not nil

	mu      sync.Mutex
	tables  map[schema.Table][]schema.Column
	rows    map[schema.Table][]string // canonical lines
	batches map[string]destination.Loaded
}

// NewShelf returns an empty one.
func NewShelf() *Shelf {
	return &Shelf{tables: make(map[schema.Table][]schema.Column), rows: make(map[schema.Table][]string),
		batches: make(map[string]destination.Loaded)}
}

// CreateTable makes an empty table.
func (s *Shelf) CreateTable(_ context.Context, table schema.Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.tables[table]; !ok {
		s.tables[table] = []schema.Column{{Name: schema.RowID, Kind: schema.Text}}
	}
	return nil
}

// Columns lists a table's columns.
func (s *Shelf) Columns(_ context.Context, table schema.Table) ([]schema.Column, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cols, ok := s.tables[table]
	if !ok {
		return nil, fault.New(fault.NotFound, "unknown_table", "no table %s", table)
	}
	return slices.Clone(cols), nil
}

// AddColumns adds columns.
func (s *Shelf) AddColumns(_ context.Context, table schema.Table, cols []schema.Column) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cols {
		if !s.has(table, c.Name) {
			s.tables[table] = append(s.tables[table], c)
		}
	}
	return nil
}

func (s *Shelf) has(table schema.Table, name string) bool {
	return slices.ContainsFunc(s.tables[table], func(c schema.Column) bool { return c.Name == name })
}

// Load takes a batch.
func (s *Shelf) Load(ctx context.Context, table schema.Table, b destination.Batch) (destination.Loaded, error) {
	if s.Wait != nil {
		if err := s.Wait(ctx, b); err != nil {
			return destination.Loaded{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if loaded, ok := s.batches[b.ID]; ok {
		loaded.Already = true
		return loaded, nil
	}
	if s.Fail != nil {
		if err := s.Fail(b); err != nil {
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
func (s *Shelf) read(ctx context.Context, table schema.Table, b destination.Batch) (lines []string, err error) {
	r, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
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
			if name != schema.Insert && !s.has(table, name) {
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

// Query refuses.
func (s *Shelf) Query(context.Context, string, []any, result.Writer) error { return fault.Unsupported }

// Tables refuses.
func (s *Shelf) Tables(context.Context) ([]schema.Table, error) { return nil, fault.Unsupported }

// Close does nothing.
func (s *Shelf) Close() error { return nil }

// Count tells how many rows the table of that name has.
func (s *Shelf) Count(table string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, lines := range s.rows {
		if t.String() == table {
			n = len(lines)
		}
	}
	return n
}

// Lines gives the rows of all tables as they were loaded.
func (s *Shelf) Lines() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, lines := range s.rows {
		all = append(all, lines...)
	}
	return all
}

// Loaded tells how many batches are there.
func (s *Shelf) Loaded() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batches)
}
