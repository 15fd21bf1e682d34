package soak

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// The load.
const (
	inserters = 6
	askers    = 2
	tables    = 4
	rowBytes  = 145                    // of an event, about
	pause     = 150 * time.Millisecond // of an asker between two questions
)

// formats are what askers want their answers in, one after the other.
var formats = [...]string{"json", "ndjson", "csv", "arrow", "parquet"}

// load is the clients of one run. They send as many bytes a second as they are told, so that what is measured is a server
// that keeps up.
type load struct {
	srv  *rig.Server
	rate float64 // bytes a second, of all inserters
	seed uint64
	runs uint64 // how often clients were run: each time they send other rows, under other keys

	mu          sync.Mutex
	rows, bytes int64 // acknowledged, and the rows that were there before; guarded by mu while clients run
}

func newLoad(srv *rig.Server, rate float64, seed uint64) *load {
	return &load{srv: srv, rate: rate, seed: seed}
}

func tableName(n int) string { return fmt.Sprintf("soak_%d", n) }

// touch makes the tables, of columns that later rows clash with, and uses each way of the server's once, so that what it
// keeps for ever is there.
func (l *load) touch(ctx context.Context) error {
	for t := range tables {
		in := insert{table: t, rows: 100}
		if err := l.send(ctx, l.srv.HTTP, "&ack=loaded&timeout=1m", in, ""); err != nil {
			return err
		}
	}
	for i := range formats {
		if err := l.ask(ctx, l.srv, i); err != nil {
			return err
		}
	}
	rows, err := l.stored(ctx)
	l.rows = rows // also those of an earlier soak, where the destination outlives the server
	return err
}

// fill sends inserts of many rows, some of which have a batch of their own, until size bytes are acknowledged.
func (l *load) fill(ctx context.Context, size int64) error {
	until := l.bytes + size
	g, ctx := errgroup.WithContext(ctx)
	for id := range inserters {
		g.Go(func() error {
			c := rig.NewClient()
			defer c.CloseIdleConnections()
			rng := rand.New(rand.NewPCG(l.seed, uint64(until)+uint64(id)))
			for l.sent() < until {
				in := insert{table: rng.IntN(tables), first: rng.IntN(1 << 30), rows: 5000 + rng.IntN(30_000)}
				if rng.IntN(10) == 0 {
					in.rows += 120_000
				}
				if err := l.send(ctx, c, "", in, ""); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// run loads the server until ctx ends. It leaves no connection open.
func (l *load) run(ctx context.Context) error {
	l.runs++
	g, ctx := errgroup.WithContext(ctx)
	for id := range inserters {
		g.Go(func() error { return l.insertAgainAndAgain(ctx, id) })
	}
	for id := range askers {
		g.Go(func() error { return l.askAgainAndAgain(ctx, id) })
	}
	return g.Wait()
}

func (l *load) sent() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

func (l *load) acknowledged(in insert) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows += int64(in.rows)
	l.bytes += int64(in.size())
}

// insert is one request.
type insert struct {
	table, first, rows int
	clashes            bool
}

func (in insert) size() int { return in.rows * rowBytes }

// draw gives the next insert of a client. Most are short; a few have a batch of their own, as they are longer than
// uploads.inline_size.
func draw(rng *rand.Rand) insert {
	in := insert{table: rng.IntN(tables), first: rng.IntN(1 << 30), clashes: rng.IntN(10) == 0}
	switch n := rng.IntN(1000); {
	case n < 700:
		in.rows = 1
	case n < 960:
		in.rows = 10 + rng.IntN(500)
	case n < 998:
		in.rows = 2000 + rng.IntN(20_000)
	default:
		in.rows = 120_000 + rng.IntN(60_000)
	}
	return in
}

func (l *load) insertAgainAndAgain(ctx context.Context, id int) error {
	c := rig.NewClient()
	defer c.CloseIdleConnections()
	rng := rand.New(rand.NewPCG(l.seed+l.runs, uint64(id)))
	due := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		in, key, ack := draw(rng), "", ""
		if rng.IntN(4) == 0 {
			key = fmt.Sprintf("%d-%d-%d-%d", l.seed, l.runs, id, n)
		}
		if rng.IntN(100) == 0 {
			ack = "&ack=loaded&timeout=5m"
		}
		if err := l.send(context.WithoutCancel(ctx), c, ack, in, key); err != nil {
			return err
		}
		due = due.Add(time.Duration(float64(in.size()) / l.rate * inserters * float64(time.Second)))
		sleepUntil(ctx, due)
		if late := time.Now().Add(-time.Second); due.Before(late) {
			due = late // who is late does not hurry for long
		}
	}
	return nil
}

// send inserts rows that were not sent before, and wants a 200.
func (l *load) send(ctx context.Context, c *http.Client, query string, in insert, key string) error {
	path := "/api/data/insert/" + tableName(in.table) + "?flatten=horizontal" + query
	var status int
	var text string
	var again bool
	var err error
	if key == "" {
		status, text, err = l.srv.Post(ctx, c, path, &body{insert: in})
	} else {
		status, again, err = l.srv.PostOnce(ctx, c, path, key, &body{insert: in})
	}
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, text)
	}
	if err == nil && again {
		err = fmt.Errorf("the key %s was used before", key)
	}
	if err != nil {
		return fmt.Errorf("insert %d rows into %s: %w", in.rows, tableName(in.table), err)
	}
	l.acknowledged(in)
	return nil
}

// body makes the rows of an insert as they are read.
type body struct {
	insert
	made int
	rest bytes.Buffer
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for b.rest.Len() < len(p) && b.made < b.rows {
		line, i := b.rest.AvailableBuffer(), b.first+b.made
		if b.clashes && b.made%20 == 0 {
			line = rig.AppendClash(line, i)
		} else {
			line = rig.AppendEvent(line, i)
		}
		b.rest.Write(line)
		b.made++
	}
	if b.rest.Len() == 0 {
		return 0, io.EOF
	}
	return b.rest.Read(p)
}

func (l *load) askAgainAndAgain(ctx context.Context, id int) error {
	own := &rig.Server{URL: l.srv.URL, HTTP: rig.NewClient()}
	defer own.HTTP.CloseIdleConnections()
	for n := id; ctx.Err() == nil; n++ {
		if err := l.ask(context.WithoutCancel(ctx), own, n); err != nil {
			return err
		}
		sleepUntil(ctx, time.Now().Add(pause))
	}
	return nil
}

// ask asks question number n: an aggregate of a table, or some of its rows.
func (l *load) ask(ctx context.Context, srv *rig.Server, n int) error {
	table := tableName(n % tables)
	sql := "select type, count(*) as events, sum(value) as value from " + table + " where id % 10 = 1 group by type order by type"
	if n%3 > 0 {
		sql = "select * from " + table + " limit 20000"
	}
	_, err := srv.Read(ctx, sql, formats[n%len(formats)])
	return err
}

// count wants every acknowledged row in the tables, once.
func (l *load) count(ctx context.Context) error {
	got, err := l.stored(ctx)
	if err == nil && got != l.rows {
		err = fmt.Errorf("%d rows are in the tables, and %d were acknowledged", got, l.rows)
	}
	return err
}

// stored is how many rows are in the tables.
func (l *load) stored(ctx context.Context) (int64, error) {
	counts := make([]string, tables)
	for t := range counts {
		counts[t] = "(select count(*) from " + tableName(t) + ")"
	}
	return l.srv.Number(ctx, "select "+strings.Join(counts, " + "))
}

func sleepUntil(ctx context.Context, at time.Time) {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
