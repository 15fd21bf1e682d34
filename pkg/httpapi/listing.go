package httpapi

import (
	"io"
	"net/http"
	"time"

	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/tables"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// listing is a short answer that did not come from a query, as rows, so that it can have the same formats.
type listing struct {
	rows   int
	fields []vector.Field
	cols   []*vector.Vector
}

// column makes the next column, whose values the caller puts into the vector.
func (l *listing) column(name string, t vector.Type) *vector.Vector {
	v := &vector.Vector{Type: t, Valid: make([]uint64, (l.rows+63)/64)}
	l.fields, l.cols = append(l.fields, vector.Field{Name: name, Type: t}), append(l.cols, v)
	return v
}

// texts adds a column of texts; an empty one is NULL.
func (l *listing) texts(name string, value func(i int) string) {
	v := l.column(name, vector.Type{Kind: vector.Text})
	v.Texts = make([]string, l.rows)
	for i := range l.rows {
		if v.Texts[i] = value(i); v.Texts[i] != "" {
			fill(v, i)
		}
	}
}

// ints adds a column of integers.
func (l *listing) ints(name string, value func(i int) int64) {
	v := l.column(name, vector.Type{Kind: vector.Int, Bits: 64})
	v.Ints = make([]int64, l.rows)
	for i := range l.rows {
		v.Ints[i] = value(i)
		fill(v, i)
	}
}

// bools adds a column of truth values.
func (l *listing) bools(name string, value func(i int) bool) {
	v := l.column(name, vector.Type{Kind: vector.Bool})
	v.Bools = make([]bool, l.rows)
	for i := range l.rows {
		v.Bools[i] = value(i)
		fill(v, i)
	}
}

// times adds a column of instants; nil is NULL.
func (l *listing) times(name string, value func(i int) *time.Time) {
	v := l.column(name, vector.Type{Kind: vector.Timestamp, Unit: time.Microsecond, Zone: true})
	v.Ints = make([]int64, l.rows)
	for i := range l.rows {
		if t := value(i); t != nil {
			v.Ints[i] = t.UnixMicro()
			fill(v, i)
		}
	}
}

// fill says that row i of v has a value.
func fill(v *vector.Vector, i int) { v.Valid[i>>6] |= 1 << (i & 63) }

func tablesListing(names []string) *listing {
	l := &listing{rows: len(names)}
	l.texts("table", func(i int) string { return names[i] })
	return l
}

func columnsListing(cols []tables.Column) *listing {
	l := &listing{rows: len(cols)}
	l.texts("name", func(i int) string { return cols[i].Name })
	l.texts("type", func(i int) string { return cols[i].Type })
	l.texts("kind", func(i int) string { return cols[i].Kind })
	l.bools("not_null", func(i int) bool { return cols[i].NotNull })
	l.times("created_at", func(i int) *time.Time { return cols[i].Created })
	l.texts("receipt", func(i int) string { return cols[i].Receipt })
	l.ints("rescued", func(i int) int64 { return cols[i].Rescued })
	return l
}

// formatOf gives the format that a request asks for, JSON when it names none.
func formatOf(r *http.Request) (result.Format, error) {
	return result.FormatOf(r.URL.Query().Get("format"), r.Header.Get("Accept"))
}

// sendListing sends l in the format f, as the rows of a query are sent.
func (s *Server) sendListing(w http.ResponseWriter, r *http.Request, f result.Format, l *listing) error {
	return s.stream(w, r, f, 0, func(out io.Writer) (int64, error) {
		enc := f.New(out)
		if err := enc.Begin(l.fields); err != nil {
			return 0, err
		}
		if err := enc.Write(&vector.Batch{Rows: l.rows, Cols: l.cols}); err != nil {
			return 0, err
		}
		return int64(l.rows), enc.End()
	})
}
