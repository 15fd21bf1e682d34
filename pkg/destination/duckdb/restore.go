package duckdb

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Restore puts rescued values into the columns that hold them by now. Each row's object of rescued values is read again as
// if it were a row, by the same rules; what comes of it waits in a temporary table for one UPDATE.
func (d *Destination) Restore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (did destination.Restored, err error) {
	if err := checkTable(table); err != nil {
		return did, err
	}
	err = d.call(ctx, func(e *engine) error {
		w, err := e.writer.take(ctx)
		if err != nil {
			return err
		}
		defer e.writer.put(w)
		err = w.within(ctx, beginWrite, commit, func() (err error) {
			did, err = e.restore(ctx, w, table, was)
			return err
		})
		return e.tableFault(ctx, w, table, err)
	})
	if err != nil {
		return destination.Restored{}, fmt.Errorf("restore the rescued values of %s: %w", table, err)
	}
	return did, nil
}

func (e *engine) restore(ctx context.Context, w *conn, table schema.Table, was map[string]schema.Kind) (did destination.Restored, err error) {
	r, err := e.newRestore(w, table, was)
	if err != nil || r == nil {
		return did, err
	}
	if err := r.fill(ctx, e, w); err != nil {
		return did, err
	}
	lost, err := r.countLost(w)
	if err != nil {
		return did, err
	}
	did.Left = r.left + lost
	did.Values = r.found - did.Left
	changed, err := w.rows("SELECT count(*)::VARCHAR FROM " + r.path + " AS t, (" + r.answer() + ") AS s WHERE " + r.changes())
	if err != nil {
		return did, err
	}
	if did.Rows, err = strconv.ParseInt(changed[0][0], 10, 64); err != nil {
		return did, err
	}
	if err := w.exec(r.update()); err != nil {
		return did, err
	}
	return did, w.exec("DROP TABLE temp." + quote(stageTable))
}

// restore is the columns that rescued values may go into, and the stage on which they are converted: the row's number,
// these columns, and __rescued.
type restore struct {
	*stage
	path  string
	at    map[string]int         // folded name → index in cols
	was   map[string]schema.Kind // by folded name
	found int64                  // rescued values that were read
	left  int64                  // those among them that stay
}

// newRestore returns nil when the table has no column for rescued values.
func (e *engine) newRestore(w *conn, table schema.Table, was map[string]schema.Kind) (*restore, error) {
	all, err := e.describe(w, table)
	if err != nil {
		return nil, err
	}
	number := column{Column: kindOf(schema.Column{Name: schema.RowID, Type: "BIGINT"})}
	r := &restore{path: e.path(table), at: map[string]int{}, was: map[string]schema.Kind{}}
	cols, rescued := []column{number}, column{}
	for _, c := range all {
		switch name := fold(c.Name); name {
		case schema.Rescued:
			rescued = c
		case schema.RowID, schema.BatchFile:
		default:
			if !c.Computed {
				c.NotNull = false // a row that has no value for it gets none
				r.at[name] = len(cols)
				cols = append(cols, c)
			}
		}
	}
	if rescued.Name == "" {
		return nil, nil
	}
	for name, k := range was {
		r.was[fold(columnName(name))] = k
	}
	r.stage = newStage(append(cols, rescued))
	return r, w.exec(r.create())
}

// fill reads the rows and puts what comes of their rescued values on the stage. They are read by a connection of their own,
// which sees the same rows: nobody but the holder of w changes any.
func (r *restore) fill(ctx context.Context, e *engine, w *conn) error {
	q, err := e.queries.take(ctx)
	if err != nil {
		return err
	}
	defer e.queries.put(q)
	a, err := newAppender(w, "temp", mainSchema, stageTable, r.names, plain(r.cols))
	if err != nil {
		return err
	}
	pr, pw := io.Pipe()
	dec := ndjson.NewDecoder(pr, plain(r.cols), ndjson.Options{Name: columnName, Fold: fold})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := q.within(ctx, beginRead, rollback, func() error { return r.read(q, pw) })
		_ = pw.CloseWithError(err) // never fails
		return err
	})
	g.Go(func() error {
		err := a.appendAll(ctx, dec)
		_ = pr.CloseWithError(err) // never fails
		return err
	})
	err = g.Wait()
	r.left = dec.Rescued()
	return err
}

// What a row's column has now, as the query of read tells it.
const (
	hasNull = 'n'
	hasZero = 'z'
)

// read writes a line for each row that has rescued values: its number, the values that may go into their columns, and the
// others as rescued ones.
func (r *restore) read(q *conn, to io.Writer) error {
	rescued := quote(r.cols[r.rescue].Name)
	out := bufio.NewWriter(to)
	err := q.each("SELECT rowid::VARCHAR, "+rescued+"::VARCHAR, "+r.states()+" FROM "+r.path+" WHERE "+rescued+" IS NOT NULL",
		func(row []string) error {
			line, err := r.line(row[0], row[1], row[2])
			if err != nil {
				return nil // it is somebody else's, and stays as it is
			}
			_, err = out.WriteString(line)
			return err
		})
	if err != nil {
		return err
	}
	return out.Flush()
}

// states is the SQL of what the columns have now, a letter each.
func (r *restore) states() string {
	list := []string{"''"}
	for _, c := range r.cols[1:r.rescue] {
		text := quote(c.Name) + "::VARCHAR"
		list = append(list, "CASE WHEN "+quote(c.Name)+" IS NULL THEN '"+string(hasNull)+"' WHEN "+text+
			" IN ('', 'false', '1970-01-01', '1970-01-01 00:00:00', '1970-01-01 00:00:00+00', '00:00:00', '00:00:00+00', "+
			"'00000000-0000-0000-0000-000000000000', '[]', '{}') OR TRY_CAST("+text+" AS DOUBLE) = 0 THEN '"+string(hasZero)+"' ELSE '-' END")
	}
	return "concat(" + strings.Join(list, ", ") + ")"
}

// line is the row of the stage's decoder that the rescued values of a row become.
func (r *restore) line(number, object, states string) (string, error) {
	var goes, stays strings.Builder
	var found int64
	err := ndjson.Members(object, func(name, value []byte) {
		found++
		to := &stays
		if r.mayGo(name, value, states) {
			to = &goes
		}
		fmt.Fprintf(to, `,"%s":%s`, name, value)
	})
	if err != nil {
		return "", err
	}
	r.found += found
	line := `{"` + schema.RowID + `":` + number + goes.String()
	if stays.Len() > 0 {
		line += `,"` + schema.Rescued + `":{` + stays.String()[1:] + "}"
	}
	return line + "}\n", nil
}

// mayGo reports whether a rescued value may go into its column: if that has no value, or the zero value and the rescued one
// could not have been there from the start.
func (r *restore) mayGo(name, value []byte, states string) bool {
	folded := fold(columnName(ndjson.Text(name)))
	i, ok := r.at[folded]
	if !ok {
		return false
	}
	switch states[i-1] {
	case hasNull:
		return true
	case hasZero:
		was, known := r.was[folded]
		return !known || !ndjson.Fits(schema.Column{Kind: was}, value)
	}
	return false
}

// answer is the SQL of what the stage has for each row.
func (r *restore) answer() string {
	list := []string{r.names[0] + " AS number"}
	for i := 1; i < len(r.cols); i++ {
		list = append(list, r.names[i]+" IS NOT NULL AS has"+strconv.Itoa(i), r.value(i)+" AS new"+strconv.Itoa(i))
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM temp." + quote(stageTable)
}

// changes is the SQL of whether the row s of the answer changes the row t.
func (r *restore) changes() string {
	return "t.rowid = s.number AND s.new" + strconv.Itoa(r.rescue) + " IS DISTINCT FROM t." + quote(r.cols[r.rescue].Name)
}

func (r *restore) update() string {
	var set []string
	for i, c := range r.cols[1:r.rescue] {
		n := strconv.Itoa(i + 1)
		set = append(set, quote(c.Name)+" = CASE WHEN s.has"+n+" THEN s.new"+n+" ELSE t."+quote(c.Name)+" END")
	}
	set = append(set, quote(r.cols[r.rescue].Name)+" = s.new"+strconv.Itoa(r.rescue))
	return "UPDATE " + r.path + " AS t SET " + strings.Join(set, ", ") + " FROM (" + r.answer() + ") AS s WHERE " + r.changes()
}
