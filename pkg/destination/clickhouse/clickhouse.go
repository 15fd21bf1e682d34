// Package clickhouse keeps rows in a ClickHouse server or cluster, in blocks of columns as the server itself has them.
package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/calls"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// openTimeout is how long Open may take.
const openTimeout = 10 * time.Second

// longStatement is the longest statement of our own, in bytes: one that names every column of a wide table.
const longStatement = "16777216"

// Destination is a ClickHouse server or cluster.
type Destination struct {
	cfg   Config
	log   *slog.Logger
	admin *pool // makes tables and loads
	asker *pool // asks queries

	servers servers   // that were met
	reach   reach     // what the server's timestamps and dates hold
	asks    []setting // of each query
	knows   knowledge // what the server can be told
	ledger  ledgerState
	loads   keyedLock    // by batch id
	replays keyedLock    // by nothing: one at a time
	beside  *calls.Group // what a replay does when nobody waits for it any more

	pieceBytes int // of a batch's rows in one INSERT

	mu     sync.Mutex
	calls  sync.WaitGroup // in progress; begun under mu
	closed bool           // guarded by mu
}

var (
	_ destination.Destination = (*Destination)(nil)
	_ destination.Rules       = (*Destination)(nil)
	_ destination.Rescuer     = (*Destination)(nil)
)

// Open makes the database when there is none, and finds out what the server can do.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (destination.Destination, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	secure, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	d := &Destination{cfg: cfg, log: log, loads: keyedLock{held: map[string]chan struct{}{}}, replays: keyedLock{held: map[string]chan struct{}{}}, beside: calls.New(),
		pieceBytes: pieceBytes}
	d.admin = newPool(cfg, secure, newHosts(cfg.addresses(cfg.Hosts), cfg.Choose), cfg.Username, cfg.Password.Reveal(), "")
	d.admin.settings = []setting{{"max_query_size", longStatement}}
	d.admin.meet = d.servers.meets(d.admin, cfg)
	d.asker = newPool(cfg, secure, newHosts(cfg.askedAt()), cfg.askedBy(), cfg.askedWith(), cfg.Database)
	d.asker.meet = d.servers.meets(d.asker, cfg)
	octx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := d.prepare(octx); err != nil {
		d.admin.close()
		d.asker.close()
		if ctx.Err() == nil && octx.Err() != nil {
			err = fmt.Errorf("no answer within %v: %w", openTimeout, err)
		}
		return nil, fmt.Errorf("open ClickHouse at %s as %s: %w", strings.Join(d.admin.hosts.addresses, ", "), cfg.Username, err)
	}
	return d, nil
}

// prepare makes the database and asks what must be known.
func (d *Destination) prepare(ctx context.Context) (err error) {
	if err := d.admin.meetAll(ctx); err != nil {
		return err
	}
	if err := d.checkCluster(ctx); err != nil {
		return err
	}
	if err := d.makeDatabase(ctx, d.cfg.Database); err != nil {
		return err
	}
	if d.knows, err = d.findKnowledge(ctx); err != nil {
		return err
	}
	if d.reach, err = d.findReach(ctx); err != nil {
		return err
	}
	if d.asks, err = d.findAsks(ctx); err != nil {
		return fmt.Errorf("as %s, who asks the queries: %w", d.asker.user, err)
	}
	return nil
}

// makeDatabase makes a database. Who may not is told so only when it is missing.
func (d *Destination) makeDatabase(ctx context.Context, name string) error {
	there := func(ctx context.Context) (bool, error) {
		rows, err := d.admin.rows(ctx, "SELECT '' FROM system.databases WHERE name = {name:String}", param{"name", escapeParam(name)})
		return len(rows) > 0, err
	}
	if d.cfg.Cluster != "" { // whose other hosts are not waited for when there is nothing to do
		if found, err := there(ctx); found || err != nil {
			return err
		}
	}
	err := d.define(ctx, "CREATE DATABASE IF NOT EXISTS "+quote(name)+d.onCluster(), there)
	if codeOf(err) != codeAccessDenied {
		return err
	}
	if found, lerr := there(ctx); lerr == nil && found {
		return nil
	}
	return err
}

// findAsks gives the settings that queries have. A user who is read-only already may not change all of them, or none.
func (d *Destination) findAsks(ctx context.Context) ([]setting, error) {
	rows, err := d.asker.rows(ctx, "SELECT name, value FROM system.settings WHERE name IN ('readonly', 'low_cardinality_allow_in_native_format', "+
		"'output_format_native_write_json_as_string', 'cancel_http_readonly_queries_on_client_close')")
	if err != nil {
		return nil, err
	}
	readonly := ""
	known := map[string]bool{}
	for _, row := range rows {
		if known[row[0]] = true; row[0] == "readonly" {
			readonly = row[1]
		}
	}
	if readonly == "1" {
		if d.cfg.MaxMemoryUsage > 0 {
			return nil, fault.New(fault.Invalid, "read_only_user", "max_memory_usage: the user may not change settings: set it in the user's own profile")
		}
		return nil, nil
	}
	var asks []setting
	if d.cfg.MaxMemoryUsage > 0 {
		asks = append(asks, setting{"max_memory_usage", strconv.FormatInt(d.cfg.MaxMemoryUsage, 10)})
	}
	for _, s := range [...]setting{{"low_cardinality_allow_in_native_format", "0"}, {"output_format_native_write_json_as_string", "1"}} {
		if known[s.name] {
			asks = append(asks, s)
		}
	}
	if d.cfg.Protocol == overHTTP {
		asks = append(asks, setting{"cancel_http_readonly_queries_on_client_close", "1"})
	}
	if readonly == "0" {
		asks = append(asks, setting{"readonly", "1"})
	}
	return asks, nil
}

// call runs do as one call, for which Close waits.
func (d *Destination) call(do func() error) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return fault.New(fault.Closed, "destination_closed", "the destination is closed")
	}
	d.calls.Add(1)
	d.mu.Unlock()
	defer d.calls.Done()
	return do()
}

// Close waits for calls in progress and frees the connections. The second Close does nothing.
func (d *Destination) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.calls.Wait()
	d.beside.Close()
	d.beside.Wait()
	d.admin.close()
	d.asker.close()
	return nil
}

// rows runs a statement of our own, all columns of which are texts, and returns its rows.
func (p *pool) rows(ctx context.Context, sql string, params ...param) (rows [][]string, err error) {
	err = p.each(ctx, sql, func(row []string) error {
		rows = append(rows, row)
		return nil
	}, params...)
	return rows, err
}

// each is rows for answers of any size: do gets one row after the other, and may keep it.
func (p *pool) each(ctx context.Context, sql string, do func(row []string) error, params ...param) error {
	return p.do(ctx, textRequest(sql, do, params))
}

// textRequest is a statement of our own whose rows do gets.
func textRequest(sql string, do func(row []string) error, params []param) request {
	return request{sql: sql, params: params, output: func(a *answer) error {
		for i := range a.out.Rows {
			row := make([]string, len(a.out.Cols))
			for j, v := range a.out.Cols {
				if v.Texts == nil {
					return fmt.Errorf("column %s of the answer is no text", strconv.Quote(a.heads[j].Name))
				}
				row[j] = strings.Clone(v.Texts[i])
			}
			if err := do(row); err != nil {
				return err
			}
		}
		return nil
	}}
}

// keyedLock is a lock for each of many keys.
type keyedLock struct {
	mu   sync.Mutex
	held map[string]chan struct{} // guarded by mu; closed when the holder lets go
}

// lock waits for the key and returns the function that lets go.
func (k *keyedLock) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		held, taken := k.held[key]
		if !taken {
			mine := make(chan struct{})
			k.held[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, key)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
