package clickhouse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Restore puts rescued values into the columns that hold them by now. Each row's object of rescued values is read again as
// if it were a row, by the same rules; what comes of it waits in a table in the server's memory for one mutation, which the
// server finishes once it has begun it.
func (d *Destination) Restore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (did destination.Restored, err error) {
	if err := checkTable(table); err != nil {
		return did, err
	}
	err = d.call(func() error {
		did, err = d.restore(ctx, table, was)
		return err
	})
	if err != nil {
		return destination.Restored{}, fmt.Errorf("restore the rescued values of %s: %w", table, tableFault(ctx, table, err))
	}
	return did, nil
}

func (d *Destination) restore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (did destination.Restored, err error) {
	r, err := d.newRestore(ctx, table, was)
	if err != nil || r == nil {
		return did, err
	}
	if err := d.admin.do(ctx, request{sql: r.create()}); err != nil {
		return did, err
	}
	defer func() {
		dctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
		defer cancel()
		err = errors.Join(err, d.admin.do(dctx, request{sql: "DROP TABLE IF EXISTS " + r.stage}))
	}()
	if err := r.fill(ctx); err != nil {
		return did, err
	}
	rows, err := d.admin.rows(ctx, "SELECT toString(count()) FROM "+d.path(table)+" WHERE "+r.changes())
	if err != nil {
		return did, err
	}
	if did.Rows, err = strconv.ParseInt(rows[0][0], 10, 64); err != nil {
		return did, err
	}
	did.Left, did.Values = r.left, r.found-r.left
	if did.Rows > 0 {
		err = d.admin.do(ctx, request{sql: r.update(), settings: []setting{{"mutations_sync", "2"}}})
	}
	return did, err
}

// restore is the columns that rescued values may go into, and the table where these wait.
type restore struct {
	d       *Destination
	table   schema.Table
	stage   string
	id      string // the SQL of a row's id
	rescued schema.Column
	cols    []target
	at      map[string]int         // name → index in cols
	was     map[string]schema.Kind // by name
	found   int64                  // rescued values that were read
	left    int64                  // those among them that stay
}

// newRestore returns nil when the table has no column for rescued values.
func (d *Destination) newRestore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (*restore, error) {
	t, err := d.describe(ctx, table)
	if err != nil {
		return nil, err
	}
	keys, err := d.admin.rows(ctx, "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String} AND "+
		"(is_in_partition_key OR is_in_sorting_key OR is_in_primary_key OR is_in_sampling_key)",
		param{"database", escapeParam(d.databaseOf(table))}, param{"table", escapeParam(table.Name())})
	if err != nil {
		return nil, err
	}
	fixed := map[string]bool{schema.BatchFile: true} // a mutation cannot change the others
	for _, row := range keys {
		fixed[row[0]] = true
	}
	r := &restore{d: d, table: table, at: map[string]int{}, was: map[string]schema.Kind{}, id: "''",
		stage: quote(d.cfg.Database) + "." + quote(ownPrefix+"restore_"+strings.ToLower(ulid.Make().String()))}
	for _, c := range t.cols {
		of, _ := parseType(c.Type).bare()
		switch {
		case c.Name == schema.Rescued:
			r.rescued = c
		case c.Name == schema.RowID:
			r.id = textOf(c)
		case !c.Computed && !fixed[c.Name] && writable(of):
			c.NotNull, c.Default = false, false // a row that has no value for it keeps what it has
			r.at[c.Name] = len(r.cols)
			r.cols = append(r.cols, newTarget(c))
		}
	}
	for name, k := range was {
		r.was[columnName(name)] = k
	}
	switch {
	case r.rescued.Name == "":
		return nil, nil
	case d.cfg.Cluster != "":
		return nil, fault.New(fault.Unsupported, "no_restore", "rescued values cannot be put back on a cluster")
	}
	return r, nil
}

// create is the SQL of the stage: the row's key, its new __rescued, and of each column whether there is a value, and it.
func (r *restore) create() string {
	defs := []string{"k String", "p UInt8 DEFAULT 1", "r String"}
	for i, t := range r.cols {
		n := strconv.Itoa(i)
		defs = append(defs, "h"+n+" UInt8", "v"+n+" "+t.Type)
	}
	return "CREATE TABLE " + r.stage + " (" + strings.Join(defs, ", ") + ") ENGINE = Join(ANY, LEFT, k)"
}

// keyBetween parts the row's id and its rescued values, which are its key.
const keyBetween = "\x01"

func (r *restore) key() string { return "concat(" + r.id + ", '\\x01', " + textOf(r.rescued) + ")" }

// have is the SQL of what the stage has for a row.
func (r *restore) have(column string) string {
	return "joinGet(" + r.stage + ", '" + column + "', " + r.key() + ")"
}

// changes is the SQL of whether a row changes.
func (r *restore) changes() string {
	return textOf(r.rescued) + " != '' AND " + r.have("p") + " = 1 AND " + r.have("r") + " != " + textOf(r.rescued)
}

func (r *restore) update() string {
	var set []string
	for i, t := range r.cols {
		n := strconv.Itoa(i)
		set = append(set, quote(t.Name)+" = if("+r.have("h"+n)+" = 1, "+r.have("v"+n)+", "+quote(t.Name)+")")
	}
	left := r.have("r")
	if !r.rescued.NotNull {
		left = "nullIf(" + left + ", '')"
	}
	set = append(set, quote(schema.Rescued)+" = "+left)
	return "ALTER TABLE " + r.d.path(r.table) + " UPDATE " + strings.Join(set, ", ") + " WHERE " + r.changes()
}

// What a row's column has now, as the query of read tells it.
const (
	hasNull = 'n'
	hasZero = 'z'
)

// states is the SQL of what the columns have now, a letter each.
func (r *restore) states() string {
	list := []string{"''"}
	for _, t := range r.cols {
		list = append(list, "multiIf(isNull("+quote(t.Name)+"), '"+string(hasNull)+"', toString("+quote(t.Name)+") = toString(defaultValueOfTypeName("+
			literal(t.of.text)+")), '"+string(hasZero)+"', '-')")
	}
	return "concat('', " + strings.Join(list, ", ") + ")"
}

// fill reads the rows and puts what comes of their rescued values on the stage.
func (r *restore) fill(ctx context.Context) error {
	columns := []schema.Column{{Name: schema.RowID, Kind: schema.Text}, {Name: schema.Rescued, Kind: schema.Text}}
	for _, t := range r.cols {
		columns = append(columns, t.Column)
	}
	pr, pw := io.Pipe()
	dec := ndjson.NewDecoder(pr, columns, ndjson.Options{Name: columnName, Foreign: func(c schema.Column) ndjson.Converter {
		of, _ := parseType(c.Type).bare()
		return r.d.reach.converter(of, nil)
	}})
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := r.read(gctx, pw)
		_ = pw.CloseWithError(err) // never fails
		return err
	})
	g.Go(func() error {
		err := r.send(gctx, dec)
		_ = pr.CloseWithError(err) // never fails
		return err
	})
	err := g.Wait()
	r.left = dec.Rescued()
	return err
}

// send sends what dec reads to the stage.
func (r *restore) send(ctx context.Context, dec *ndjson.Decoder) error {
	var b ndjson.Batch
	next := func() error { return dec.Next(&b, rowsOf(len(r.cols))) }
	if err := next(); err != nil {
		return noRows(err)
	}
	first, out := true, &block{}
	return r.d.admin.do(ctx, request{sql: "INSERT INTO " + r.stage + " (" + r.names() + ") FORMAT Native", settings: []setting{{"async_insert", "0"}}, input: func() (*block, error) {
		if !first {
			if err := next(); err != nil {
				return nil, noRows(err)
			}
		}
		first = false
		return r.block(&b, out), nil
	}})
}

// names lists the stage's columns that are sent.
func (r *restore) names() string {
	names := "k, r"
	for i := range r.cols {
		n := strconv.Itoa(i)
		names += ", h" + n + ", v" + n
	}
	return names
}

func noRows(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func (r *restore) block(b *ndjson.Batch, out *block) *block {
	texts := func(name string, v *vector.Vector) inColumn {
		return inColumn{name, "String", func(to *proto.Buffer) { putTexts(to, v, b.Rows) }}
	}
	out.rows, out.cols = b.Rows, append(out.cols[:0], texts("k", b.Cols[0]), texts("r", b.Cols[1]))
	for i := range r.cols {
		v, t := b.Cols[i+2], r.cols[i]
		t.Name = "v" + strconv.Itoa(i)
		out.cols = append(out.cols, inColumn{"h" + strconv.Itoa(i), "UInt8", func(to *proto.Buffer) {
			for row := range b.Rows {
				to.PutBool(!v.IsNull(row))
			}
		}}, t.column(v, b.Rows))
	}
	return out
}

// read writes a line for each row that has rescued values: its key, the values that may go into their columns, and the
// others as rescued ones.
func (r *restore) read(ctx context.Context, to io.Writer) error {
	out := bufio.NewWriter(to)
	rescued := textOf(r.rescued)
	err := r.d.admin.each(ctx, "SELECT "+r.id+", "+rescued+", "+r.states()+" FROM "+r.d.path(r.table)+" WHERE "+rescued+" != ''", func(row []string) error {
		line, err := r.line(row[0]+keyBetween+row[1], row[1], row[2])
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

// line is the row of the stage's decoder that the rescued values of a row become.
func (r *restore) line(key, object, states string) (string, error) {
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
	line := `{"` + schema.RowID + `":` + string(jsonText(key)) + goes.String()
	if stays.Len() > 0 {
		line += `,"` + schema.Rescued + `":{` + stays.String()[1:] + "}"
	}
	return line + "}\n", nil
}

// mayGo reports whether a rescued value may go into its column: if that has no value, or the zero value and the rescued one
// could not have been there from the start.
func (r *restore) mayGo(name, value []byte, states string) bool {
	column := columnName(ndjson.Text(name))
	i, ok := r.at[column]
	if !ok {
		return false
	}
	switch states[i] {
	case hasNull:
		return true
	case hasZero:
		was, known := r.was[column]
		return !known || !ndjson.Fits(schema.Column{Kind: was}, value)
	}
	return false
}
