package torture

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// account waits until every row has been loaded, reads all of them and compares.
func account(ctx context.Context, srv *rig.Server, clients []*client, a *Account) error {
	for _, c := range clients {
		c.seen = make([]uint8, c.next)
	}
	if err := srv.Lines(ctx, union("c, n"), func(line []byte) error { return note(clients, line) }); err != nil {
		return err
	}
	for _, c := range clients {
		c.tally(a)
	}
	return orphans(ctx, srv, a)
}

// accountDead counts the batches whose load was given up, and prints why.
func accountDead(ctx context.Context, srv *rig.Server, a *Account, out io.Writer) error {
	var dead []struct{ Batch, Reason string }
	if err := srv.JSON(ctx, "/api/dead", &dead); err != nil {
		return err
	}
	for _, d := range dead {
		fmt.Fprintf(out, "torture: batch %s is dead: %s\n", d.Batch, d.Reason)
	}
	a.Dead = len(dead)
	return nil
}

// orphans counts the rows that went to two tables and are not once in each.
func orphans(ctx context.Context, srv *rig.Server, a *Account) error {
	for i := range tables {
		n, err := srv.Number(ctx, orphansOf(i))
		if err != nil {
			return err
		}
		a.Orphans += n
	}
	return nil
}

// orphansOf is the query for a table's orphans. It is understood by DuckDB, which has null for what a row does not have, and by
// ClickHouse, which has an empty text.
func orphansOf(table int) string {
	return fmt.Sprintf(`select count(*) from (select id, sum(a) as in_table, sum(b) as in_notes from
		(select id, 1 as a, 0 as b from torture_%[1]d where coalesce(id, '') <> '' union all
		select torture_%[1]d_id as id, 0 as a, 1 as b from note where coalesce(torture_%[1]d_id, '') <> '') both_tables
		group by id) documents where in_table <> 1 or in_notes <> 1`, table)
}

func union(cols string) string {
	parts := make([]string, tables)
	for i := range parts {
		parts[i] = fmt.Sprintf("select %s from torture_%d", cols, i)
	}
	return strings.Join(parts, " union all ")
}

// note counts one row of the tables.
func note(clients []*client, line []byte) error {
	cs, ns, _ := bytes.Cut(line, []byte(","))
	id, err := strconv.Atoi(string(cs))
	if err != nil {
		return fmt.Errorf("row %q: %w", line, err)
	}
	n, err := strconv.ParseInt(string(ns), 10, 64)
	if err != nil || id < 0 || id >= len(clients) || n < 0 || n >= int64(len(clients[id].seen)) {
		return fmt.Errorf("row %q was never sent (%v)", line, err)
	}
	if s := &clients[id].seen[n]; *s < 255 {
		*s++
	}
	return nil
}

// tally compares what was acknowledged with what is there.
func (c *client) tally(a *Account) {
	a.Replayed += c.replayed
	for _, in := range c.inserts {
		var there int64
		for _, times := range c.seen[in.first : in.first+in.rows] {
			if times > 0 {
				there++
			}
			if times > 1 {
				a.Doubled++
			}
		}
		if in.acked {
			a.Acknowledged += in.rows
			a.Lost += in.rows - there
			continue
		}
		a.Unanswered += in.rows
		if there != 0 && there != in.rows {
			a.Torn++
		}
	}
}
