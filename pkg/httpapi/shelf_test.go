package httpapi

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// shelf is a destination in memory; a query is the name of an answer that the test has laid there.
type shelf struct {
	*destinationtest.Shelf
	answers map[string]answer // not changed while the shelf is in use

	mu      sync.Mutex
	asked   []any                 // the arguments of the last query; guarded by mu
	refusal error                 // of every new batch, when not nil; guarded by mu
	made    map[schema.Table]bool // the tables; guarded by mu
	lines   map[string][]string   // the rows as they were loaded, by table; guarded by mu
}

// answer writes a query's answer to out, until the first error of out or ctx.
type answer func(ctx context.Context, out result.Writer) error

func newShelf(answers map[string]answer) *shelf {
	s := &shelf{Shelf: destinationtest.NewShelf(), answers: answers, made: make(map[schema.Table]bool), lines: make(map[string][]string)}
	s.Fail = func(destination.Batch) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.refusal
	}
	return s
}

func (s *shelf) CreateTable(ctx context.Context, table schema.Table) error {
	s.mu.Lock()
	s.made[table] = true
	s.mu.Unlock()
	return s.Shelf.CreateTable(ctx, table)
}

func (s *shelf) Tables(context.Context) ([]schema.Table, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byName := func(a, b schema.Table) int { return strings.Compare(a.String(), b.String()) }
	return slices.SortedFunc(maps.Keys(s.made), byName), nil
}

// Load notes which table the rows went to, which the shelf below does not tell.
func (s *shelf) Load(ctx context.Context, table schema.Table, b destination.Batch) (destination.Loaded, error) {
	loaded, err := s.Shelf.Load(ctx, table, b)
	if err != nil || loaded.Already {
		return loaded, err
	}
	r, err := b.Open(ctx)
	if err != nil {
		return loaded, err
	}
	text, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(string(text)) {
		s.lines[table.String()] = append(s.lines[table.String()], strings.TrimSpace(line))
	}
	return loaded, errors.Join(err, r.Close())
}

// rows gives the rows of all tables, sorted, as "table: row".
func (s *shelf) rows() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for table, lines := range s.lines {
		for _, line := range lines {
			all = append(all, table+": "+line)
		}
	}
	slices.Sort(all)
	return all
}

func (s *shelf) Query(ctx context.Context, sql string, args []any, out result.Writer) error {
	s.mu.Lock()
	s.asked = args
	s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	a, ok := s.answers[sql]
	if !ok {
		return fault.New(fault.Invalid, "invalid_sql", "nothing is known of %q", sql)
	}
	return a(ctx, out)
}

// refuse lets every new batch fail with err, nil lets them through again.
func (s *shelf) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
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
