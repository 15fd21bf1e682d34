package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Restore puts rescued values into the columns that hold them by now. Each row's object of rescued values is read again as
// if it were a row, by the same rules; what comes of it goes into the table by a mutation, which the server finishes once it has
// begun it, also when nobody waits for it any more. A table that only one host has gets one for all rows (see staged), another one
// several (see inline). A mutation changes rows that are as they were when they were read, and no others.
func (d *Destination) Restore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (did destination.Restored, err error) {
	if err := checkTable(table); err != nil {
		return did, err
	}
	err = d.call(func() error {
		did, err = d.replay(pinned(ctx), table, maps.Clone(was))
		return err
	})
	if err != nil {
		return destination.Restored{}, fmt.Errorf("restore the rescued values of %s: %w", table, tableFault(ctx, table, err))
	}
	return did, nil
}

// replay restores when no other replay of this destination goes on: each has two connections at the same time, and several could
// wait for each other. When ctx ends, what must be tidied up behind it goes on without the caller.
func (d *Destination) replay(ctx context.Context, table schema.Table, was map[string]schema.Kind) (destination.Restored, error) {
	unlock, err := d.replays.lock(ctx, "")
	if err != nil {
		return destination.Restored{}, err
	}
	type outcome struct {
		did destination.Restored
		err error
	}
	done := make(chan outcome, 1)
	if !d.beside.Start(func(context.Context) {
		defer unlock()
		did, err := d.restore(ctx, table, was)
		done <- outcome{did, err}
		if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			d.log.WarnContext(ctx, "a replay that nobody waits for any more has failed", "table", table.String(), "err", err)
		}
	}) {
		unlock()
		return destination.Restored{}, d.beside.Err()
	}
	select {
	case o := <-done:
		return o.did, o.err
	case <-ctx.Done():
		return destination.Restored{}, ctx.Err()
	}
}

func (d *Destination) restore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (did destination.Restored, err error) {
	r, err := d.newRestore(ctx, table, was)
	if err != nil || r == nil {
		return did, err
	}
	if r.everywhere {
		return r.inline(ctx)
	}
	return r.staged(ctx)
}

// restore is the columns that rescued values may go into.
type restore struct {
	d          *Destination
	table      schema.Table
	everywhere bool          // other hosts have the rows too, or have others of them
	over       overShards    // what the rows are in when that is not table itself
	database   string        // where the rows themselves are
	name       string        // of the table there
	id         schema.Column // nameless: there is none
	rescued    schema.Column
	cols       []target               // that rescued values are named after
	at         map[string]int         // name → index in cols
	was        map[string]schema.Kind // by name
	found      int64                  // rescued values that were read
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
	r := &restore{d: d, table: table, everywhere: replicated(t.engine), database: database, name: name, at: map[string]int{}, was: map[string]schema.Kind{}}
	if t.over != nil {
		r.everywhere, r.over = true, *t.over
	}
	fits := map[string]target{}
	for _, c := range t.cols {
		of, _ := parseType(c.Type).bare()
		switch {
		case c.Name == schema.Rescued:
			r.rescued = c
		case c.Name == schema.RowID:
			r.id = c
		case !c.Computed && !fixed[c.Name] && writable(of):
			c.NotNull, c.Default = false, false // a row that has no value for it keeps what it has
			fits[c.Name] = newTarget(c)
		}
	}
	for name, k := range was {
		r.was[columnName(name)] = k
	}
	if r.rescued.Name == "" {
		return nil, nil
	}
	return r, r.choose(ctx, fits)
}

// choose takes those columns that rescued values are named after: a table may have two thousand others.
func (r *restore) choose(ctx context.Context, fits map[string]target) error {
	rescued := textOf(r.rescued)
	return r.d.admin.each(ctx, "SELECT DISTINCT arrayJoin(JSONExtractKeys("+rescued+")) FROM "+r.d.path(r.table)+" WHERE "+rescued+" != ''", func(row []string) error {
		name := columnName(row[0])
		if t, ok := fits[name]; ok {
			delete(fits, name)
			r.at[name] = len(r.cols)
			r.cols = append(r.cols, t)
		}
		return nil
	})
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

// state is the SQL of what a column has now, as a letter.
func (t target) state() string {
	name := quote(t.Name)
	return "multiIf(isNull(" + name + "), '" + string(hasNull) + "', toString(" + name + ") = toString(defaultValueOfTypeName(" + literal(t.of.text) + ")), '" +
		string(hasZero) + "', '-')"
}

// states is the SQL of what the columns have now.
func states(cols []target) string {
	list := []string{"''", "''"}
	for _, t := range cols {
		list = append(list, t.state())
	}
	return "concat(" + strings.Join(list, ", ") + ")"
}

// keyLength is that of a row's key.
const keyLength = 32

// key is the SQL of what tells a row from others by its id and its rescued values, of which it is a hash: these may be long.
func (r *restore) key() string {
	id := "''"
	if r.id.Name != "" {
		id = textOf(r.id)
	}
	return "hex(sipHash128(concat(" + id + ", '\\x01', " + textOf(r.rescued) + ")))"
}

// line is a row as its rescued values make it: its key, the values that may go into their columns, and the others as rescued ones.
type line struct {
	text   string // NDJSON; its row id is the key, the states and how many values are rescued
	key    string
	id     string
	states string // what the columns have
	was    string // the rescued values as they are
	found  int64  // how many of them
}

// read gives the line of each row that has rescued values which may go into their columns to take, which may be slow.
func (r *restore) read(ctx context.Context, take func(line) error) error {
	id, rescued := "''", textOf(r.rescued)
	if r.id.Name != "" {
		id = textOf(r.id)
	}
	req := textRequest("SELECT "+r.key()+", "+id+", "+rescued+", "+states(r.cols)+" FROM "+r.d.path(r.table)+" WHERE "+rescued+" != ''", func(row []string) error {
		l := line{key: row[0], id: row[1], was: row[2], states: row[3]}
		goes, err := r.fill(&l)
		if err != nil {
			return nil // it is somebody else's, and stays as it is
		}
		r.found += l.found
		if !goes {
			return nil
		}
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

// fill makes the text of a line, and reports whether any of its values may go into a column.
func (r *restore) fill(l *line) (any bool, err error) {
	var goes, stays strings.Builder
	err = ndjson.Members(l.was, func(name, value []byte) {
		l.found++
		to := &stays
		if r.mayGo(name, value, l.states) {
			to = &goes
		}
		fmt.Fprintf(to, `,"%s":%s`, name, value)
	})
	l.text = `{"` + schema.RowID + `":` + string(jsonText(l.key+l.states+strconv.FormatInt(l.found, 10))) + goes.String()
	if stays.Len() > 0 {
		l.text += `,"` + schema.Rescued + `":{` + stays.String()[1:] + "}"
	}
	l.text += "}\n"
	return goes.Len() > 0, err
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
