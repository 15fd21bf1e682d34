package clickhouse

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

const (
	groupBytes   = 40 << 10  // of lines, for one mutation
	maxStatement = 200 << 10 // a server takes 256 KiB, and its keeper 1 MiB
)

// inlined is a restore by mutations that have the values in their text.
type inlined struct {
	*restore
	did     destination.Restored
	group   []line
	size    int    // of the lines of the group
	tooLong int64  // rows whose values no statement holds
	one     string // the id of one of them
}

// inline restores rows in groups, by mutations that have the values in their text. Each replica makes a mutation for itself, those that
// are away now when they are back: so it may need nothing that is not on all of them for ever, as a stage is not. If it breaks off, some
// groups are done, and another restore does the others.
func (r *restore) inline(ctx context.Context) (destination.Restored, error) {
	if err := r.checkFormat(ctx); err != nil {
		return destination.Restored{}, err
	}
	in := &inlined{restore: r}
	err := r.read(ctx, func(l line) error {
		switch {
		case len(l.text) > maxStatement:
			in.leave(l)
			return nil
		case in.size+len(l.text) > groupBytes || len(in.group) == rowsOf(len(r.cols)):
			if err := in.flush(ctx); err != nil {
				return err
			}
		}
		in.group, in.size = append(in.group, l), in.size+len(l.text)
		return nil
	})
	if err == nil {
		err = in.flush(ctx)
	}
	if in.tooLong > 0 {
		r.d.log.WarnContext(ctx, "rescued values stay where they are: one statement cannot hold all of their row", "table", r.table.String(), "rows", in.tooLong, "row_id", in.one,
			"most_bytes", maxStatement)
	}
	in.did.Left = r.found - in.did.Values
	return in.did, err
}

// checkFormat sees that the server has the function by which a statement has values in it.
func (r *restore) checkFormat(ctx context.Context) error {
	_, err := r.d.admin.rows(ctx, "DESCRIBE TABLE format(Native, 'x String', '')")
	switch codeOf(err) {
	case codeUnknownFunction, codeArguments:
		err = fault.New(fault.Unsupported, "server_too_old", "a replay into a table that several hosts have needs ClickHouse 23.2, as its table function format has no structure before").Because(err)
	}
	return err
}

func (in *inlined) leave(l line) {
	if in.tooLong++; in.tooLong == 1 {
		in.one = l.id
	}
}

// flush restores the rows of the group.
func (in *inlined) flush(ctx context.Context) error {
	err := in.putBack(ctx, in.group)
	in.group, in.size = in.group[:0], 0
	return err
}

// putBack restores rows, in several parts if one statement would be too long.
func (in *inlined) putBack(ctx context.Context, group []line) error {
	if len(group) == 0 {
		return nil
	}
	m, err := in.newMutation(group)
	if err != nil || len(m.change) == 0 {
		return err
	}
	sql := m.sql()
	switch {
	case len(sql) <= maxStatement:
		rows, err := m.run(ctx, sql)
		if rows > 0 {
			in.did.Rows, in.did.Values = in.did.Rows+rows, in.did.Values+m.gone
		}
		return err
	case len(group) == 1:
		in.leave(group[0])
		return nil
	}
	half := len(group) / 2
	if err := in.putBack(ctx, group[:half]); err != nil {
		return err
	}
	return in.putBack(ctx, group[half:])
}

// mutation is what restores a group of rows.
type mutation struct {
	*restore
	lines  []line
	values ndjson.Batch
	change []int // its rows that change
	puts   []int // the columns that get values
	gone   int64 // the values that do not stay rescued
	mark   string
}

func (r *restore) newMutation(group []line) (*mutation, error) {
	var text strings.Builder
	m := &mutation{restore: r, lines: group, mark: strings.ToLower(ulid.Make().String())}
	for _, l := range group {
		text.WriteString(l.text)
		m.gone += l.found
	}
	dec := r.decoder(strings.NewReader(text.String()))
	if err := dec.Next(&m.values, len(group)); err != nil {
		return nil, err
	}
	if err := dec.Next(&ndjson.Batch{}, 1); err != io.EOF {
		return nil, fault.New(fault.Internal, "restore_group", "a group of %d rows is too large", len(group)).Because(err)
	}
	m.gone -= dec.Rescued()
	for row := range m.values.Rows {
		if m.rescuedOf(row) != group[row].was {
			m.change = append(m.change, row)
		}
	}
	for i := range m.cols {
		if len(m.have(i)) > 0 {
			m.puts = append(m.puts, i)
		}
	}
	return m, nil
}

// have lists the rows that have a value for a column.
func (m *mutation) have(column int) (rows []int) {
	for _, row := range m.change {
		if !m.values.Cols[column+2].IsNull(row) {
			rows = append(rows, row)
		}
	}
	return rows
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

// keyed is rows by their keys and what some of their columns have: one that has got something else since it was read is none of them,
// nor is one with the same key that has something else.
type keyed struct {
	*mutation
	cols []int
	rows []int
}

func (k keyed) key() string {
	cols := make([]target, len(k.cols))
	for i, c := range k.cols {
		cols[i] = k.restore.cols[c]
	}
	return "concat(" + k.restore.key() + ", " + states(cols) + ")"
}

func (k keyed) keys() string {
	return list(k.rows, func(row int) string {
		key := []byte(k.lines[row].key)
		for _, c := range k.cols {
			key = append(key, k.lines[row].states[c])
		}
		return literal(string(key))
	})
}

// among is the SQL of whether a row is one of them.
func (k keyed) among() string { return k.key() + " IN (" + k.keys() + ")" }

// transform is the SQL of the constant that a row has, if it is one of them.
func (k keyed) transform(constant func(row int) string, other string) string {
	return "transform(" + k.key() + ", [" + k.keys() + "], [" + list(k.rows, constant) + "], " + other + ")"
}

// changed is the rows that change.
func (m *mutation) changed() keyed { return keyed{m, m.puts, m.change} }

// condition is the SQL of whether a row is one that changes, and is as it was read: by its id first, which is the key of most tables.
func (m *mutation) condition() string { return m.amongIDs() + m.changed().among() }

// amongIDs is the SQL of whether a row has one of the ids, as the server can look them up, and AND; empty where it cannot.
func (m *mutation) amongIDs() string {
	of, _ := parseType(m.id.Type).bare()
	constant := literal
	switch {
	case m.id.Name == "":
		return ""
	case m.id.Kind == schema.Int:
		constant = func(text string) string { return text }
	case of.name != "String":
		return ""
	}
	for _, row := range m.change {
		if m.lines[row].id == "" { // which may be NULL
			return ""
		}
	}
	return quote(m.id.Name) + " IN (" + list(m.change, func(row int) string { return constant(m.lines[row].id) }) + ") AND "
}

// sql is the statement. Its mark is always true. The server says its condition again for each column, so what all columns had is not in it.
func (m *mutation) sql() string {
	var set []string
	for _, i := range m.puts {
		set = append(set, m.put(m.cols[i], m.values.Cols[i+2], keyed{m, []int{i}, m.have(i)}))
	}
	left := m.changed().transform(func(row int) string { return literal(m.rescuedOf(row)) }, textOf(m.rescued))
	set = append(set, quote(schema.Rescued)+" = "+m.emptyRescued(left))
	path, cluster := m.where()
	return "ALTER TABLE " + path + cluster + " UPDATE " + strings.Join(set, ", ") + " WHERE " + m.amongIDs() + keyed{m, nil, m.change}.among() + " AND " + literal(m.mark) + " != ''" +
		" SETTINGS mutations_sync = 0, allow_nondeterministic_mutations = 1" // what it says is constant, but the server does not see that
}

// put is the SQL that sets a column in the rows that have a value for it. The values are there as an INSERT has them, so that the
// server need not read any text.
func (m *mutation) put(t target, v *vector.Vector, have keyed) string {
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
	at := have.transform(func(row int) string { return strconv.Itoa(row + 1) }, "0")
	return name + " = if(" + have.among() + ", CAST(arrayElement(" + values + ", " + at + ").2, " + literal(t.Type) + "), " + name + ")"
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
	if rows, err = m.count(ctx); err != nil || rows == 0 {
		return 0, err
	}
	err = m.d.admin.do(ctx, request{sql: sql, settings: m.d.knows.known(m.d.defineSettings()...)})
	if err != nil && codeOf(err) != codeTimeout {
		if p, _, lerr := m.queued().look(ctx); lerr != nil || p == absent { // else it is said, and fails now
			return 0, err
		}
	}
	return rows, m.done(ctx)
}

func (m *mutation) queued() queued { return queued{m.restore, m.mark} }

// done waits until the mutation is done, or no row is left as it was: a large table takes longer than a statement ON CLUSTER waits.
func (m *mutation) done(ctx context.Context) error {
	q, seen := m.queued(), false
	_, err := q.wait(ctx, func(ctx context.Context, p progress) (bool, error) {
		if p == finished && m.over.table == "" {
			return true, nil
		}
		left, err := m.count(ctx)
		switch {
		case err != nil || left == 0:
			return err == nil, err
		case p == absent && seen:
			return false, q.takenBack()
		}
		seen = seen || p == working
		return false, nil
	})
	return err
}

// count says how many rows are as they were.
func (m *mutation) count(ctx context.Context) (int64, error) {
	rows, err := m.d.admin.rows(ctx, "SELECT toString(count()) FROM "+m.d.path(m.table)+" WHERE "+m.condition())
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(rows[0][0], 10, 64)
}
