package clickhouse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// pieceBytes is how much of a batch's rows, as NDJSON, goes into one INSERT. The server makes one block of an INSERT, and
// has it in memory: all of its rows come into the table at once, or none. Where a piece ends depends on the rows alone, so
// that it has the same rows when the batch is loaded again, whatever columns the table has by then.
const pieceBytes = 128 << 20

// Load appends b's rows. The server itself leaves out a piece that it has had already, by a token made of the batch's id; the
// ledger knows the batch when that has been too long ago, and how many rows it had.
func (d *Destination) Load(ctx context.Context, table schema.Table, b destination.Batch) (did destination.Loaded, err error) {
	if err := checkTable(table); err != nil {
		return did, err
	}
	err = d.call(func() error {
		unlock, err := d.loads.lock(ctx, b.ID)
		if err != nil {
			return err
		}
		defer unlock()
		did, err = d.loadOnce(pinned(ctx), table, b)
		return err
	})
	if err != nil {
		return destination.Loaded{}, fmt.Errorf("load batch %s into %s: %w", b.ID, table, tableFault(ctx, table, err))
	}
	return did, nil
}

func (d *Destination) loadOnce(ctx context.Context, table schema.Table, b destination.Batch) (did destination.Loaded, err error) {
	t, err := d.readied(ctx, table, b)
	if err != nil {
		return did, err
	}
	found, err := d.findBatch(ctx, b.ID)
	if err != nil {
		return did, err
	}
	if found.state == loaded {
		return destination.Loaded{Rows: found.rows, Rescued: found.rescued, Already: true}, nil
	}
	l := &loading{d: d, table: table, batch: b, shards: t.shards, targets: targetsOf(b, t.cols)}
	if l.again, err = d.mayBeThere(ctx, table, b, t, found.state); err != nil {
		return did, err
	}
	if err := l.all(ctx); err != nil {
		return did, err
	}
	did = destination.Loaded{Rows: l.rows, Rescued: l.rescued, Why: l.why, Already: l.again && !l.added}
	return did, d.addBatch(ctx, b.ID, entry{loaded, did.Rows, did.Rescued})
}

// readied describes table and makes the ledger, and sees that this host knows of both what the others of a cluster know.
func (d *Destination) readied(ctx context.Context, table schema.Table, b destination.Batch) (t described, err error) {
	t, err = d.describe(ctx, table)
	if errors.Is(err, fault.NotFound) && d.cfg.Cluster != "" {
		if found, err := d.adopt(ctx, d.databaseOf(table), table.Name()); err != nil || !found {
			return t, errors.Join(unknownTable(table), err)
		}
		t, err = d.describe(ctx, table)
	}
	if err != nil {
		return t, err
	}
	if err := d.checkPlace(table, t); err != nil {
		return t, err
	}
	if err := d.makeLedger(ctx); err != nil || d.cfg.Cluster == "" {
		return t, err
	}
	if t.lacks(b.Seen) {
		if err := d.caughtUp(ctx, table, t); err != nil {
			return t, err
		}
		if t, err = d.describe(ctx, table); err != nil {
			return t, err
		}
	}
	if t.knowing {
		return t, nil // the keeper does, for all replicas
	}
	if err := d.sync(ctx, d.ledgerPath()); err != nil || !replicated(t.engine) {
		return t, err
	}
	return t, d.sync(ctx, d.path(table))
}

// lacks reports whether rows have keys that t has no columns for.
func (t described) lacks(seen []schema.Seen) bool {
	return slices.ContainsFunc(seen, func(s schema.Seen) bool {
		return !slices.ContainsFunc(t.cols, func(c schema.Column) bool { return c.Name == columnName(s.Name) })
	})
}

// targetsOf gives the columns of all that b's rows are written to: those that b has, and ours. The server fills the others.
func targetsOf(b destination.Batch, all []schema.Column) []target {
	seen := map[string]schema.Seen{schema.RowID: {}, schema.BatchFile: {}, schema.Rescued: {}}
	for _, s := range b.Seen {
		seen[columnName(s.Name)] = s
	}
	var targets []target
	var other []schema.Column // that may stand for a row that has nothing
	for _, c := range all {
		of, _ := parseType(c.Type).bare()
		if c.Computed || !writable(of) {
			continue
		}
		s, has := seen[c.Name]
		if !has && (of.name != "Date32" || !c.NotNull || c.Default) { // the server's own zero of that is in 1900
			other = append(other, c)
			continue
		}
		c.Like = s.Type
		targets = append(targets, newTarget(c))
	}
	if len(targets) == 0 && len(other) > 0 {
		targets = append(targets, newTarget(other[0]))
	}
	return targets
}

// loading is one batch on its way into a table.
type loading struct {
	d       *Destination
	table   schema.Table
	batch   destination.Batch
	targets []target
	shards  int  // of the table, to one of which the rows go; 0: it has none, or they find theirs
	again   bool // pieces may be there already

	rows, rescued int64
	added         bool           // a piece was not there
	why           schema.Rescues // of those that were not
}

// all loads piece after piece.
func (l *loading) all(ctx context.Context) (err error) {
	if len(l.targets) == 0 {
		return fault.New(fault.Unprocessable, "no_columns", "the table %s has no column that rows can be written to", l.table)
	}
	rows, err := l.batch.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	whole := newPieces(rows, l.d.pieceBytes)
	for n := 0; whole.next(); n++ {
		if err := l.piece(ctx, n, whole); err != nil {
			if errors.Is(err, ndjson.ErrNoRescued) {
				return destination.ErrRescueColumn
			}
			return err
		}
	}
	return whole.err
}

// piece loads piece n.
func (l *loading) piece(ctx context.Context, n int, rows io.Reader) error {
	columns := make([]schema.Column, len(l.targets))
	for i := range l.targets {
		columns[i] = l.targets[i].Column
	}
	dec := ndjson.NewDecoder(rows, columns, ndjson.Options{BatchID: l.batch.BatchFile(), Name: columnName,
		Foreign: func(c schema.Column) ndjson.Converter {
			of, _ := parseType(c.Type).bare()
			return l.d.reach.converter(of, c.Like)
		}})
	added, err := l.insert(ctx, n, dec)
	if err != nil {
		return err
	}
	l.rows, l.rescued = l.rows+dec.Rows(), l.rescued+dec.Rescued()
	if l.added = l.added || added; added {
		for i, of := range dec.Why() {
			l.why[i] += of
		}
	}
	return nil
}

// In flight is what the decoder may be ahead: while blocks are compressed and sent, the next rows are read.
const (
	maxRows  = 16 << 10  // of a block
	maxCells = 128 << 10 // of a block, so that wide tables take no more memory than narrow ones
	inFlight = 4         // blocks
)

// rowsOf gives how many rows a block of cols columns has.
func rowsOf(cols int) int { return max(min(maxRows, maxCells/max(cols, 1)), 1) }

// insert sends the rows of dec, which reads them in a second goroutine, unless they are there already: then they are only counted.
func (l *loading) insert(ctx context.Context, n int, dec *ndjson.Decoder) (added bool, err error) {
	free, full := make(chan *ndjson.Batch, inFlight), make(chan *ndjson.Batch, inFlight)
	for range inFlight {
		free <- nil
	}
	g, gctx := errgroup.WithContext(ctx)
	var failed error // set before full is closed
	g.Go(func() error {
		defer close(full)
		failed = decode(gctx, dec, rowsOf(len(l.targets)), free, full)
		return failed
	})
	g.Go(func() error {
		first, more := <-full
		if !more {
			return nil
		}
		there, err := l.there(gctx, first)
		if err != nil {
			return err
		}
		if added = !there; added {
			return l.send(gctx, n, first, free, full, &failed)
		}
		for b := first; b != nil; b = <-full {
			free <- b
		}
		return nil
	})
	err = g.Wait()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return added, err
}

// send sends first and what comes out of full as one INSERT. When full is closed, failed says whether that is all: the server must
// not take a part for the whole.
func (l *loading) send(ctx context.Context, n int, first *ndjson.Batch, free chan<- *ndjson.Batch, full <-chan *ndjson.Batch, failed *error) error {
	var last *ndjson.Batch
	out := &block{}
	return l.d.admin.do(ctx, request{
		id:       insertsOf(l.batch.ID) + strings.ToLower(ulid.Make().String()),
		sql:      l.statement(),
		settings: l.settings(n),
		input: func() (*block, error) {
			if last != nil {
				free <- last
			}
			if last, first = first, nil; last == nil {
				last = <-full
			}
			if last == nil {
				return nil, *failed
			}
			return blockOf(l.targets, last, out), nil
		},
	})
}

// statement is the INSERT. Rows of a column with a default go by way of a SELECT: there the server has the default for NULL.
func (l *loading) statement() string {
	names, sent, defaults := make([]string, len(l.targets)), make([]string, len(l.targets)), false
	for i, t := range l.targets {
		names[i] = quote(t.Name)
		sent[i] = names[i] + " " + t.sent
		defaults = defaults || t.Default
	}
	sql := "INSERT INTO " + l.d.path(l.table) + " (" + strings.Join(names, ", ") + ")"
	if defaults {
		sql += " SELECT " + strings.Join(names, ", ") + " FROM input(" + literal(strings.Join(sent, ", ")) + ")"
	}
	return sql + " FORMAT Native"
}

// settings makes one block of all rows of an INSERT, whatever the server's own settings are, and has the server know it.
func (l *loading) settings(n int) []setting {
	const all = "1000000000000"
	list := l.d.knows.known(
		setting{"async_insert", "0"},
		setting{"insert_deduplicate", "1"},
		setting{"insert_deduplication_token", l.batch.ID + "-" + strconv.Itoa(n)},
		setting{"deduplicate_blocks_in_dependent_materialized_views", "1"},
		setting{"min_insert_block_size_rows", all},
		setting{"min_insert_block_size_bytes", all},
		setting{"max_insert_threads", "1"},
		setting{"max_partitions_per_insert_block", "0"}, // as many as there are
		setting{"insert_null_as_default", "1"},
		setting{"insert_distributed_sync", "1"}, // the shards have the rows when the INSERT ends
	)
	if l.shards > 1 {
		list = append(list, setting{"insert_shard_id", shardOf(l.batch.ID, l.shards)})
	}
	if quorum := l.d.cfg.InsertQuorum; quorum > 0 {
		list = append(list, setting{"insert_quorum", strconv.Itoa(quorum)}, setting{"insert_quorum_timeout", quorumPatience})
	}
	return list
}

// quorumPatience is for how many milliseconds an INSERT waits for other replicas.
const quorumPatience = "60000"

// decode fills batches from free and sends them to full, which has room for all of them.
func decode(ctx context.Context, dec *ndjson.Decoder, rows int, free <-chan *ndjson.Batch, full chan<- *ndjson.Batch) error {
	for {
		var b *ndjson.Batch
		select {
		case b = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b == nil {
			b = new(ndjson.Batch)
		}
		switch err := dec.Next(b, rows); err {
		case nil:
			full <- b
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// pieces gives rows piece by piece, each a run of whole lines that has an end of its own.
type pieces struct {
	in   *bufio.Reader
	size int
	left int  // of the piece, before the line that is its last
	end  bool // of the piece
	err  error
}

func newPieces(rows io.Reader, size int) *pieces {
	return &pieces{in: bufio.NewReaderSize(rows, 256<<10), size: size}
}

// next begins the next piece and reports whether there is one.
func (p *pieces) next() bool {
	if p.err != nil {
		return false
	}
	_, err := p.in.Peek(1)
	if err != nil {
		if err != io.EOF {
			p.err = err
		}
		return false
	}
	p.left, p.end = p.size, false
	return true
}

// Read reads the piece.
func (p *pieces) Read(to []byte) (int, error) {
	if p.end {
		return 0, io.EOF
	}
	if p.left > 0 {
		n, err := p.in.Read(to[:min(len(to), p.left)])
		p.left -= n
		return n, err
	}
	return p.lastLine(to)
}

// lastLine reads on to the end of the line.
func (p *pieces) lastLine(to []byte) (int, error) {
	for n := range to {
		c, err := p.in.ReadByte()
		if err != nil {
			return n, err
		}
		if to[n] = c; c == '\n' {
			p.end = true
			return n + 1, nil
		}
	}
	return len(to), nil
}
