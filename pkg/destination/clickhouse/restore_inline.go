package clickhouse

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

const (
	groupBytes    = 40 << 10  // of lines, for one mutation
	maxStatement  = 200 << 10 // a server takes 256 KiB, and its keeper 1 MiB
	firstLook     = 100 * time.Millisecond
	seldomestLook = 5 * time.Second
)

// inline restores rows in groups, by mutations that have the values in their text, and says how many rows change. Each replica makes a
// mutation for itself, those that are away now when they are back: so it may need nothing that is not on all of them for ever, as a
// stage is not. If it breaks off, some groups are done, and another restore does the others.
func (r *restore) inline(ctx context.Context) (rows int64, err error) {
	var group []line
	size := 0
	flush := func() error {
		n, err := r.putBack(ctx, group)
		rows, group, size = rows+n, group[:0], 0
		return err
	}
	err = r.read(ctx, func(l line) error {
		if size+len(l.text) > groupBytes || len(group) == rowsOf(len(r.cols)) {
			if err := flush(); err != nil {
				return err
			}
		}
		group, size = append(group, l), size+len(l.text)
		return nil
	})
	if err == nil {
		err = flush()
	}
	return rows, err
}

// putBack restores the rows of a group, in several parts if one statement would be too long.
func (r *restore) putBack(ctx context.Context, group []line) (rows int64, err error) {
	if len(group) == 0 {
		return 0, nil
	}
	m, err := r.newMutation(group)
	if err != nil {
		return 0, err
	}
	sql := m.sql()
	switch {
	case len(sql) <= maxStatement:
		r.left += m.left
		return m.run(ctx, sql)
	case len(group) == 1:
		r.left += group[0].found
		return 0, nil
	}
	half := len(group) / 2
	if rows, err = r.putBack(ctx, group[:half]); err != nil {
		return rows, err
	}
	more, err := r.putBack(ctx, group[half:])
	return rows + more, err
}

// mutation is what restores a group of rows.
type mutation struct {
	*restore
	values ndjson.Batch
	change []int // its rows that change
	left   int64 // the values that stay rescued
}

func (r *restore) newMutation(group []line) (*mutation, error) {
	var text strings.Builder
	for _, l := range group {
		text.WriteString(l.text)
	}
	m, dec := &mutation{restore: r}, r.decoder(strings.NewReader(text.String()))
	if err := dec.Next(&m.values, len(group)); err != nil {
		return nil, err
	}
	if err := dec.Next(&ndjson.Batch{}, 1); err != io.EOF {
		return nil, fault.New(fault.Internal, "restore_group", "a group of %d rows is too large", len(group)).Because(err)
	}
	m.left = dec.Rescued()
	for row := range m.values.Rows {
		if m.rescuedOf(row) != group[row].was {
			m.change = append(m.change, row)
		}
	}
	return m, nil
}

// rescuedOf is what stays rescued of a row.
func (m *mutation) rescuedOf(row int) string {
	if m.values.Cols[1].IsNull(row) {
		return ""
	}
	return m.values.Cols[1].Texts[row]
}

// list is the SQL of constants, one for each of rows.
func list(rows []int, constant func(row int) string) string {
	parts := make([]string, len(rows))
	for i, row := range rows {
		parts[i] = constant(row)
	}
	return strings.Join(parts, ", ")
}

func (m *mutation) keys(rows []int) string {
	return list(rows, func(row int) string { return literal(m.values.Cols[0].Texts[row]) })
}

// among is the SQL of whether a row is one of rows.
func (m *mutation) among(rows []int) string {
	return m.key() + " IN (" + m.keys(rows) + ")"
}

// transform is the SQL of the constant that a row has, if it is one of rows.
func (m *mutation) transform(rows []int, constant func(row int) string, other string) string {
	return "transform(" + m.key() + ", [" + m.keys(rows) + "], [" + list(rows, constant) + "], " + other + ")"
}

// sql is empty when no row changes.
func (m *mutation) sql() string {
	if len(m.change) == 0 {
		return ""
	}
	var set []string
	for i := range m.cols {
		var have []int
		for _, row := range m.change {
			if !m.values.Cols[i+2].IsNull(row) {
				have = append(have, row)
			}
		}
		if len(have) > 0 {
			set = append(set, m.put(m.cols[i], m.values.Cols[i+2], have))
		}
	}
	left := m.transform(m.change, func(row int) string { return literal(m.rescuedOf(row)) }, "''")
	set = append(set, quote(schema.Rescued)+" = "+m.emptyRescued(left))
	path, cluster := m.where()
	return "ALTER TABLE " + path + cluster + " UPDATE " + strings.Join(set, ", ") + " WHERE " + m.among(m.change) +
		" SETTINGS mutations_sync = 1, allow_nondeterministic_mutations = 1" // what it says is constant, but the server does not see that
}

// put is the SQL that sets a column in the rows that have a value for it. The values are there as an INSERT has them, so that the
// server need not read any text.
func (m *mutation) put(t target, v *vector.Vector, have []int) string {
	name := quote(t.Name)
	t.Name = "v"
	rows := &block{rows: m.values.Rows, cols: []inColumn{{"i", "UInt32", func(to *proto.Buffer) {
		for i := range m.values.Rows {
			to.PutUInt32(uint32(i))
		}
	}}, t.column(v, m.values.Rows)}}
	var native proto.Buffer
	rows.encode(&native, 0)
	values := "(SELECT arraySort(x -> x.1, groupArray(tuple(i, v))) FROM format(Native, " + literal("i UInt32, v "+t.sent) + ", " + literal(string(native.Buf)) + "))"
	at := m.transform(have, func(row int) string { return strconv.Itoa(row + 1) }, "0")
	return name + " = if(" + m.among(have) + ", CAST(arrayElement(" + values + ", " + at + ").2, " + literal(t.Type) + "), " + name + ")"
}

// where is the table that the rows are in, and on which hosts it is.
func (r *restore) where() (path, cluster string) {
	if r.over.table == "" {
		return r.d.path(r.table), r.d.onCluster()
	}
	return quote(r.over.database) + "." + quote(r.over.table), " ON CLUSTER " + quote(r.over.cluster)
}

// run runs the mutation and waits for it, and says how many rows it changes.
func (m *mutation) run(ctx context.Context, sql string) (rows int64, err error) {
	if sql == "" {
		return 0, nil
	}
	among := m.among(m.change)
	if rows, err = m.count(ctx, among); err != nil || rows == 0 {
		return 0, err
	}
	err = m.d.admin.do(ctx, request{sql: sql, settings: m.d.knows.known(m.d.defineSettings()...)})
	if err != nil && codeOf(err) != codeTimeout {
		return 0, err
	}
	return rows, m.done(ctx, among)
}

// done waits until no row is left as it was: a large table takes longer than a statement ON CLUSTER waits.
func (m *mutation) done(ctx context.Context, among string) error {
	for wait := firstLook; ; wait = min(2*wait, seldomestLook) {
		left, err := m.count(ctx, among)
		if err != nil || left == 0 {
			return err
		}
		if err := m.failed(ctx); err != nil {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failed is why the server cannot finish a mutation of the table, if it cannot.
func (m *mutation) failed(ctx context.Context) error {
	database, name := m.d.databaseOf(m.table), m.table.Name()
	if m.over.table != "" {
		database, name = m.over.database, m.over.table
	}
	rows, err := m.d.admin.rows(ctx, "SELECT latest_fail_reason FROM system.mutations WHERE database = {database:String} AND table = {table:String} AND NOT is_done AND latest_fail_reason != '' LIMIT 1",
		param{"database", escapeParam(database)}, param{"table", escapeParam(name)})
	if err == nil && len(rows) > 0 {
		err = fault.New(fault.Unprocessable, "mutation_failed", "the server cannot finish a mutation of %s: %s", m.table, rows[0][0])
	}
	return err
}
