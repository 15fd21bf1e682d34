package clickhouse

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Restore puts rescued values into the columns that hold them by now. Each row's object of rescued values is read again as
// if it were a row, by the same rules; what comes of it goes into the table by a mutation, which the server finishes once it has
// begun it. A table that only one host has gets one for all rows (see staged), another one several (see inline).
func (d *Destination) Restore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (did destination.Restored, err error) {
	if err := checkTable(table); err != nil {
		return did, err
	}
	err = d.call(func() error {
		did, err = d.restore(pinned(ctx), table, was)
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
	if r.everywhere {
		did.Rows, err = r.inline(ctx)
	} else {
		did.Rows, err = r.staged(ctx)
	}
	did.Left, did.Values = r.left, r.found-r.left
	return did, err
}

// restore is the columns that rescued values may go into.
type restore struct {
	d          *Destination
	table      schema.Table
	everywhere bool       // other hosts have the rows too, or have others of them
	over       overShards // what the rows are in when that is not table itself
	id         string     // the SQL of a row's id
	rescued    schema.Column
	cols       []target
	at         map[string]int         // name → index in cols
	was        map[string]schema.Kind // by name
	found      int64                  // rescued values that were read
	left       int64                  // those among them that stay
}

// newRestore returns nil when the table has no column for rescued values.
func (d *Destination) newRestore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (*restore, error) {
	t, err := d.describe(ctx, table)
	if err != nil {
		return nil, err
	}
	database, name := d.databaseOf(table), table.Name()
	if t.over != nil {
		database, name = t.over.database, t.over.table
	}
	keys, err := d.admin.rows(ctx, "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String} AND "+
		"(is_in_partition_key OR is_in_sorting_key OR is_in_primary_key OR is_in_sampling_key)",
		param{"database", escapeParam(database)}, param{"table", escapeParam(name)})
	if err != nil {
		return nil, err
	}
	fixed := map[string]bool{schema.BatchFile: true} // a mutation cannot change the others
	for _, row := range keys {
		fixed[row[0]] = true
	}
	r := &restore{d: d, table: table, everywhere: replicated(t.engine), at: map[string]int{}, was: map[string]schema.Kind{}, id: "''"}
	if t.over != nil {
		r.everywhere, r.over = true, *t.over
	}
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
	if r.rescued.Name == "" {
		return nil, nil
	}
	return r, nil
}

// count says for how many rows a condition holds.
func (r *restore) count(ctx context.Context, condition string) (int64, error) {
	rows, err := r.d.admin.rows(ctx, "SELECT toString(count()) FROM "+r.d.path(r.table)+" WHERE "+condition)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(rows[0][0], 10, 64)
}

// emptyRescued is the SQL of what the column __rescued has for a text that may be empty.
func (r *restore) emptyRescued(text string) string {
	if r.rescued.NotNull {
		return text
	}
	return "nullIf(" + text + ", '')"
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

// line is a row as its rescued values make it: its key, the values that may go into their columns, and the others as rescued ones.
type line struct {
	text  string // NDJSON
	was   string // the rescued values as they are
	found int64  // how many of them
}

// read gives the line of each row that has rescued values to take, which may be slow.
func (r *restore) read(ctx context.Context, take func(line) error) error {
	rescued := textOf(r.rescued)
	req := textRequest("SELECT "+r.id+", "+rescued+", "+r.states()+" FROM "+r.d.path(r.table)+" WHERE "+rescued+" != ''", func(row []string) error {
		l, err := r.line(row[0]+keyBetween+row[1], row[1], row[2])
		if err != nil {
			return nil // it is somebody else's, and stays as it is
		}
		r.found += l.found
		return take(l)
	}, nil)
	req.settings = slowReader
	return r.d.admin.do(ctx, req)
}

// slowReader has the server wait for a day where it would wait five minutes for the reader of an answer.
var slowReader = []setting{{"send_timeout", "86400"}, {"http_send_timeout", "86400"}}

// decoder reads lines. Its first columns are the key and what stays rescued, then come those of the restore.
func (r *restore) decoder(from io.Reader) *ndjson.Decoder {
	columns := []schema.Column{{Name: schema.RowID, Kind: schema.Text}, {Name: schema.Rescued, Kind: schema.Text}}
	for _, t := range r.cols {
		columns = append(columns, t.Column)
	}
	return ndjson.NewDecoder(from, columns, ndjson.Options{Name: columnName, Foreign: func(c schema.Column) ndjson.Converter {
		of, _ := parseType(c.Type).bare()
		return r.d.reach.converter(of, nil)
	}})
}

// keyBetween parts the row's id and its rescued values, which are its key.
const keyBetween = "\x01"

func (r *restore) key() string { return "concat(" + r.id + ", '\\x01', " + textOf(r.rescued) + ")" }

// line makes a row's line.
func (r *restore) line(key, object, states string) (l line, err error) {
	var goes, stays strings.Builder
	err = ndjson.Members(object, func(name, value []byte) {
		l.found++
		to := &stays
		if r.mayGo(name, value, states) {
			to = &goes
		}
		fmt.Fprintf(to, `,"%s":%s`, name, value)
	})
	l.was = object
	l.text = `{"` + schema.RowID + `":` + string(jsonText(key)) + goes.String()
	if stays.Len() > 0 {
		l.text += `,"` + schema.Rescued + `":{` + stays.String()[1:] + "}"
	}
	l.text += "}\n"
	return l, err
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
