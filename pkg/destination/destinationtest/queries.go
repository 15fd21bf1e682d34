package destinationtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

func queryGivesColumnsThenRows(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int), column("name", schema.Text))
	s.mustLoad(t, table, s.batch(`{"n":2,"name":"b"}`, `{"n":1,"name":"a"}`))
	var got Rows
	if err := s.Query(t.Context(), `SELECT "name", "n" + 1 AS more FROM "events" ORDER BY "n"`, nil, &got); err != nil {
		t.Fatal(err)
	}
	if want := []string{"name", "more"}; !slices.Equal(got.Columns, want) {
		t.Errorf("columns: got %q, want %q", got.Columns, want)
	}
	if want := []string{"a|2", "b|3"}; !slices.Equal(got.Rows, want) {
		t.Errorf("rows: got %q, want %q", got.Rows, want)
	}
	if !got.Ended {
		t.Error("the answer has no end")
	}
}

func queryWithoutRows(t *testing.T, s *suite) {
	s.create(t, "events", column("n", schema.Int))
	var got Rows
	if err := s.Query(t.Context(), `SELECT "n" FROM "events"`, nil, &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Columns, []string{"n"}) || len(got.Rows) > 0 || !got.Ended {
		t.Errorf("got %+v, want the column n, no rows, and the end", got)
	}
}

// manyRows makes a table of which a threefold join has 10^9 rows.
func (s *suite) manyRows(t *testing.T) (sql string) {
	t.Helper()
	rows := make([]string, 1000)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	s.mustLoad(t, s.create(t, "many", column("n", schema.Int)), s.batch(rows...))
	return `SELECT a."n" FROM "many" a, "many" b, "many" c`
}

// refusing fails in one of its calls.
type refusing struct {
	Rows
	err   error
	begin bool
	end   bool
}

func (r *refusing) Begin(cols []vector.Field) error {
	if r.begin {
		return r.err
	}
	return r.Rows.Begin(cols)
}

func (r *refusing) End() error {
	if r.end {
		return r.err
	}
	return r.Rows.End()
}

func queryStopsAtErrorOfOut(t *testing.T, s *suite) {
	endless := s.manyRows(t)
	full := errors.New("the client is gone")
	for _, tt := range []struct {
		name string
		sql  string
		out  *refusing
	}{
		{"Begin", endless, &refusing{err: full, begin: true}},
		{"Write", endless, &refusing{err: full, Rows: Rows{Hook: func(*vector.Batch) error { return full }}}},
		{"End", `SELECT "n" FROM "many" WHERE "n" < 0`, &refusing{err: full, end: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := s.Query(t.Context(), tt.sql, nil, tt.out); !errors.Is(err, full) {
				t.Errorf("got %v, want %v", err, full)
			}
			if tt.out.Ended || len(tt.out.Rows.Rows) > 0 {
				t.Errorf("got %d rows and end %v after the error", len(tt.out.Rows.Rows), tt.out.Ended)
			}
		})
	}
	s.wantRows(t, `SELECT COUNT(*) FROM "many"`, "1000")
}

func queryStopsWhenContextEnds(t *testing.T, s *suite) {
	endless := s.manyRows(t)
	t.Run("before it begins", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out Rows
		if err := s.Query(ctx, endless, nil, &out); !errors.Is(err, context.Canceled) || out.Began {
			t.Errorf("got %v, began %v, want context.Canceled and nothing written", err, out.Began)
		}
	})
	t.Run("before the first row", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		sql := `SELECT COUNT(*) FROM "many" a, "many" b, "many" c, "many" d WHERE a."n" * b."n" + c."n" * d."n" = 7`
		var out Rows
		if err := s.Query(ctx, sql, nil, &out); !errors.Is(err, context.DeadlineExceeded) || out.Ended {
			t.Errorf("got %v, ended %v, want context.DeadlineExceeded and no end", err, out.Ended)
		}
	})
	t.Run("while rows arrive", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := Rows{Hook: func(*vector.Batch) error { cancel(); return nil }}
		if err := s.Query(ctx, endless, nil, &out); !errors.Is(err, context.Canceled) || out.Ended {
			t.Errorf("got %v, ended %v, want context.Canceled and no end", err, out.Ended)
		}
	})
	s.wantRows(t, `SELECT COUNT(*) FROM "many"`, "1000")
}

// queryRefuses: a mistake is fault.Invalid, anything but one SELECT is fault.Denied, and neither changes anything.
func queryRefuses(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int))
	s.mustLoad(t, table, s.batch(`{"n":1}`))
	for _, tt := range []struct {
		sql  string
		want fault.Kind
	}{
		{``, fault.Invalid},
		{`SELEC 1`, fault.Invalid},
		{`SELECT`, fault.Invalid},
		{`SELECT "nothing" FROM "events"`, fault.Invalid},
		{`SELECT "n" FROM "nowhere"`, fault.Invalid},
		{`SELECT nosuchfunction("n") FROM "events"`, fault.Invalid},
		{`SELECT 1; SELECT 2`, fault.Denied},
		{`SELECT 1; DROP TABLE "events"`, fault.Denied},
		{`DROP TABLE "events"`, fault.Denied},
		{`CREATE TABLE "more" (n INTEGER)`, fault.Denied},
		{`ALTER TABLE "events" ADD COLUMN "m" INTEGER`, fault.Denied},
		{`INSERT INTO "events" ("n") VALUES (2)`, fault.Denied},
		{`UPDATE "events" SET "n" = 2`, fault.Denied},
		{`DELETE FROM "events"`, fault.Denied},
		{`TRUNCATE TABLE "events"`, fault.Denied},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			var out Rows
			err := s.Query(t.Context(), tt.sql, nil, &out)
			if got := fault.Of(err); err == nil || got != tt.want {
				t.Errorf("got %v (%v), want %v", err, got, tt.want)
			}
			if out.Began {
				t.Error("something was written")
			}
		})
	}
	s.wantColumns(t, table, "__row_id text", "n int")
	s.wantRows(t, `SELECT "n" FROM "events"`, "1")
	if tables, err := s.Tables(t.Context()); err != nil || len(tables) != 1 {
		t.Errorf("tables: got %v, %v, want events alone", tables, err)
	}
}

// queriesAndLoads: a query that stands still holds up no load, and sees the rows of before.
func queriesAndLoads(t *testing.T, s *suite) {
	endless := s.manyRows(t)
	table := tableOf(t, "many")
	ctx, cancel := context.WithCancel(t.Context())
	standing, ended := make(chan struct{}), make(chan error)
	first := true
	out := Rows{Hook: func(*vector.Batch) error {
		if first {
			first = false
			close(standing)
			<-ctx.Done()
		}
		return nil
	}}
	go func() { ended <- s.Query(ctx, endless, nil, &out) }()
	<-standing
	inParallel(t, func(i int) error {
		if _, err := s.Load(t.Context(), table, s.batch(fmt.Sprintf(`{"n":%d}`, i))); err != nil {
			return err
		}
		_, err := s.Columns(t.Context(), table)
		return err
	})
	s.wantCount(t, table, 1008)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the standing query: got %v, want context.Canceled", err)
	}
}

// standing gives its rows, and stands still before it ends.
type standing struct {
	io.Reader
	at    chan<- struct{}
	until <-chan struct{}
}

func (s *standing) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF && s.at != nil {
		close(s.at)
		s.at = nil
		<-s.until
	}
	return n, err
}

// queryWhileALoadIsOpen: a load that stands still, its rows half written, holds up no query, which sees none of them.
func queryWhileALoadIsOpen(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int))
	s.mustLoad(t, table, s.batch(`{"n":1}`))
	rows := make([]string, 10_000) // more than a driver gathers before it writes
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	b := s.batch(rows...)
	open, at, release := b.Open, make(chan struct{}), make(chan struct{})
	b.Open = func(ctx context.Context) (io.ReadCloser, error) {
		r, err := open(ctx)
		return io.NopCloser(&standing{r, at, release}), err
	}
	loaded := make(chan error, 1)
	go func() {
		_, err := s.Load(t.Context(), table, b)
		loaded <- err
	}()
	<-at
	inParallel(t, func(int) error {
		var got Rows
		if err := s.Query(t.Context(), `SELECT COUNT(*) FROM "events"`, nil, &got); err != nil {
			return err
		}
		if !slices.Equal(got.Rows, []string{"1"}) {
			t.Errorf("while the load is open: got %q, want the row of before", got.Rows)
		}
		_, err := s.Columns(t.Context(), table)
		return err
	})
	close(release)
	if err := <-loaded; err != nil {
		t.Errorf("the load: %v", err)
	}
	s.wantCount(t, table, 10_001)
}

func closeWaits(t *testing.T, s *suite) {
	endless := s.manyRows(t)
	standing, release := make(chan struct{}), make(chan struct{})
	enough := errors.New("enough")
	first := true
	out := Rows{Hook: func(b *vector.Batch) error {
		if first {
			first = false
			close(standing)
			<-release
		} else {
			_ = textOf(b.Cols[0], b.Rows-1) // the memory must be there still
			return enough
		}
		return nil
	}}
	asked, closed := make(chan error, 1), make(chan error, 1)
	go func() { asked <- s.Query(t.Context(), endless, nil, &out) }()
	<-standing
	go func() { closed <- s.Close() }()
	for { // until Close has begun
		if _, err := s.Tables(t.Context()); errors.Is(err, fault.Closed) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	select {
	case err := <-closed:
		t.Errorf("Close returned %v while a query was in progress", err)
	default:
	}
	close(release)
	if err := <-asked; !errors.Is(err, enough) {
		t.Errorf("the query in progress: got %v, want %v", err, enough)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := s.Query(t.Context(), "SELECT 1", nil, &Rows{}); !errors.Is(err, fault.Closed) {
		t.Errorf("Query after Close: got %v, want fault.Closed", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
