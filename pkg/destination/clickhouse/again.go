package clickhouse

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// mayBeThere reports whether pieces of a batch, of which the ledger says state, may be in the table though the server does not know
// them. A table that takes the same block twice has it noted before the first row goes there that the batch begins. One that
// does not has forgotten what came long ago.
func (d *Destination) mayBeThere(ctx context.Context, table schema.Table, b destination.Batch, t described, state string) (bool, error) {
	if t.knowing {
		if !isOld(b.ID) {
			return false, nil
		}
		if d.cfg.Cluster == "" || !replicated(t.engine) {
			return true, nil
		}
		return true, d.sync(ctx, d.path(table))
	}
	if state != begun {
		return false, d.addBatch(ctx, b.ID, entry{state: begun})
	}
	return true, d.awaitInserts(ctx, b.ID)
}

// young is for how long a batch cannot have been forgotten: no table gets so many others in that time.
const young = time.Minute

// isOld reports whether a batch may have come before so many others that the server has forgotten it. Clocks of other machines
// may be wrong both ways.
func isOld(batch string) bool {
	id, err := ulid.Parse(batch)
	return err != nil || time.Since(ulid.Time(id.Time())).Abs() > young
}

// insertsOf begins the ids of a batch's INSERTs on the server.
func insertsOf(batch string) string { return "scratchdata-" + batch + "-" }

// insertPatience is how long a load waits for INSERTs of an earlier one.
const insertPatience = 10 * time.Second

// awaitInserts ends the INSERTs of a batch that are under way: a server that has all rows of one writes them though nobody waits for
// it any more, and one that has not waits for minutes.
func (d *Destination) awaitInserts(ctx context.Context, batch string) error {
	ours := " WHERE startsWith(query_id, " + literal(insertsOf(batch)) + ")"
	end := time.Now().Add(insertPatience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		// What one may not end one waits for.
		_, err := d.admin.rows(ctx, "KILL QUERY"+ours+" ASYNC")
		if err != nil && codeOf(err) == 0 {
			return err
		}
		n, err := d.running(ctx, ours)
		if err != nil || n == 0 {
			return err
		}
		if time.Now().After(end) {
			return fault.New(fault.Busy, "destination_busy", "the database is still at an earlier INSERT of the batch").Retry(busyAfter)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// running is how many statements of ours for which a condition holds the server runs, or all hosts of its cluster that can be asked.
func (d *Destination) running(ctx context.Context, where string) (int, error) {
	const local = "system.processes"
	from := local
	if d.cfg.Cluster != "" {
		from = "clusterAllReplicas(" + literal(d.cfg.Cluster) + ", " + local + ")"
	}
	rows, err := d.admin.rows(ctx, "SELECT toString(count()) FROM "+from+where+" SETTINGS skip_unavailable_shards = 1")
	if codeOf(err) == codeAccessDenied && from != local { // to ask other hosts is a right of its own
		rows, err = d.admin.rows(ctx, "SELECT toString(count()) FROM "+local+where)
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(rows[0][0])
}

// there reports whether the piece that begins with these rows is in the table already: all of it is, or none. They are known by
// several ids, as a client's own may be from other batches too, and by their batch file, which rows do not have if that column is
// younger than they are.
func (l *loading) there(ctx context.Context, first *ndjson.Batch) (bool, error) {
	if !l.again {
		return false, nil
	}
	file, ids := quote(schema.BatchFile), l.ids(first)
	switch hasFile := l.target(schema.BatchFile) >= 0; {
	case len(ids) > 0:
		where := quote(schema.RowID) + " IN (" + strings.Join(ids, ", ") + ")"
		if hasFile {
			where += " AND (" + file + " = " + literal(l.batch.BatchFile()) + " OR ifNull(toString(" + file + "), '') = '')"
		}
		n, err := l.count(ctx, "uniqExact("+quote(schema.RowID)+")", where)
		return n == int64(len(ids)), err
	case hasFile && l.batch.File == "": // else the batch shares its file
		n, err := l.count(ctx, "count()", file+" = "+literal(l.batch.BatchFile()))
		return n > l.rows, err // those of the pieces before, and more
	}
	return false, nil
}

// count gives a number of the table's rows for which a condition holds.
func (l *loading) count(ctx context.Context, what, where string) (int64, error) {
	rows, err := l.d.admin.rows(ctx, "SELECT toString("+what+") FROM "+l.d.path(l.table)+" WHERE "+where)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(rows[0][0], 10, 64)
}

// target is where in l.targets a column is, -1 when it is not.
func (l *loading) target(column string) int {
	for i, t := range l.targets {
		if t.Name == column {
			return i
		}
	}
	return -1
}

// manyIDs is how many ids of a piece are looked for.
const manyIDs = 100

// ids gives, as constants of SQL, different ids of the first rows, none when the table has no column that has them as they are.
func (l *loading) ids(rows *ndjson.Batch) (ids []string) {
	i := l.target(schema.RowID)
	if i < 0 || l.targets[i].Kind != schema.Text && l.targets[i].Kind != schema.Int {
		return nil
	}
	v, seen := rows.Cols[i], map[string]bool{}
	for row := 0; row < rows.Rows && len(ids) < manyIDs; row++ {
		id := ""
		switch {
		case v.IsNull(row):
		case v.Texts != nil:
			id = literal(v.Texts[row])
		case v.Uints != nil:
			id = strconv.FormatUint(v.Uints[row], 10)
		default:
			id = strconv.FormatInt(v.Ints[row], 10)
		}
		if id == "" || id == "''" || id == "0" || seen[id] { // what the column has for an id that it cannot hold
			continue
		}
		seen[id], ids = true, append(ids, id)
	}
	return ids
}
