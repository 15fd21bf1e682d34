package clickhouse

import (
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// slowEvents is the table events, of whose rows the server makes two columns itself, each in a second for ten. The commit comes after that.
const slowEvents = "CREATE TABLE events (__row_id String, n Int64, s String, slow UInt8 DEFAULT sleepEachRow(0.1), more UInt8 DEFAULT sleepEachRow(0.11)) ENGINE = "

// slowEngines are tables that know the blocks that they have had, and others.
var slowEngines = map[string]string{
	"knowing":   "MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100",
	"forgetful": "MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 0",
	"log":       "StripeLog",
}

// TestConnectionsCutAroundTheCommit: whether the connection ends before the server has the block, while it writes it, or when it is
// written and nobody has heard so, its rows are there once in the end.
func TestConnectionsCutAroundTheCommit(t *testing.T) {
	server := servertest.ClickHouse(t)
	for _, protocol := range []string{native, overHTTP} {
		for name, cut := range map[string]func(t *testing.T, d *Destination, p *servertest.Proxy) (cut <-chan struct{}){
			"before": func(_ *testing.T, _ *Destination, p *servertest.Proxy) <-chan struct{} {
				return p.CutBefore("of needle")
			},
			"during": func(t *testing.T, d *Destination, p *servertest.Proxy) <-chan struct{} {
				return once(func() {
					awaitServer(t, server, d, writes)
					p.Cut()
				})
			},
			"after": func(t *testing.T, d *Destination, p *servertest.Proxy) <-chan struct{} {
				return once(func() {
					awaitServer(t, server, d, writes)
					p.Hold()
					awaitServer(t, server, d, "SELECT count() = 10 FROM events")
					p.Cut()
					p.Release()
				})
			},
		} {
			for kind, engine := range slowEngines {
				t.Run(protocol+" "+name+" "+kind, func(t *testing.T) {
					t.Parallel() // they wait most of the time
					d, proxy, table := faulty(t, server, protocol, slowEvents+engine)
					b := manyRows(10)
					done := cut(t, d, proxy)
					did, err := d.Load(t.Context(), table, b)
					<-done
					if err == nil {
						t.Fatalf("got %+v, want an error", did)
					}
					wantLoaded(t, d, table, b, 10)
				})
			}
		}
	}
}

// once runs do beside the test, and closes what it returns when that has ended.
func once(do func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	return done
}

// writes asks whether the server has a block, and has made the first of the columns.
const writes = "SELECT count() > 0 FROM system.processes WHERE query_kind = 'Insert' AND position(query, currentDatabase()) > 0 AND ProfileEvents['SleepFunctionCalls'] > 0"

// awaitServer waits until the server itself answers sql with 1.
func awaitServer(t *testing.T, server servertest.ClickHouseServer, d *Destination, sql string) {
	server.Database = d.cfg.Database
	for deadline := time.Now().Add(20 * time.Second); server.Exec(t, sql) != "1"; {
		if time.Now().After(deadline) {
			t.Errorf("the server does not come to %s", sql)
			return
		}
	}
}
