package clickhouse

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestHostThatVanishes: of a host whose power is gone nothing is heard, not even that it is gone. What was said to it is given up in time,
// and the other host has it, though no context ends.
func TestHostThatVanishes(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		target := fmt.Sprintf("%s:%d", server.Host, map[string]int{native: server.TCP, overHTTP: server.HTTP}[cfg.Protocol])
		vanishing := func(t *testing.T) (*Destination, *servertest.Proxy, schema.Table) {
			t.Parallel() // they wait most of the time
			c := cfg
			c.Database = server.Fresh(t).Database // dropped when the proxies have ended, and with them what the server still waits for
			one, two := servertest.NewProxy(t, target), servertest.NewProxy(t, target)
			c.Hosts, c.Choose = Hosts{one.Addr(), two.Addr()}, first
			d, table := openWith(t, c), tableOf(t, "events")
			for _, p := range []*pool{d.admin, d.asker} {
				p.silence = 3 * time.Second // of the connections that are made from now on
				if p.http != nil {
					p.http.CloseIdleConnections()
				} else {
					one.Cut()
				}
			}
			if err := d.CreateTable(t.Context(), table); err != nil {
				t.Fatal(err)
			}
			cols := []schema.Column{{Name: "n", Kind: schema.Int}, {Name: "s", Kind: schema.Text}}
			if err := d.AddColumns(t.Context(), table, cols); err != nil {
				t.Fatal(err)
			}
			return d, one, table
		}
		const soon = 40 * time.Second // the system alone would wait for minutes
		t.Run("load", func(t *testing.T) {
			d, one, table := vanishing(t)
			b := wideRows(20_000, 1000)
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			if did, err := d.Load(ctx, table, after(b, 12<<20, func() { one.Vanish(t) })); err == nil || ctx.Err() != nil {
				t.Errorf("got %+v, %v, want that the connection is lost within %v", did, err, soon)
			}
			wantLoaded(t, d, table, b, 20_000)
		})
		t.Run("query", func(t *testing.T) {
			d, one, _ := vanishing(t)
			gone := once(func() {
				awaitServer(t, server, d, "SELECT count() > 0 FROM system.processes WHERE query LIKE 'SELECT%slowly%' AND query NOT LIKE '%processes%'")
				one.Vanish(t)
			})
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			rows, err := d.asker.rows(ctx, "SELECT toString(count(sleepEachRow(1.5))) AS slowly FROM numbers(2)")
			if !lostConnection(err) && (err != nil || len(rows) != 1 || rows[0][0] != "2") || ctx.Err() != nil {
				t.Errorf("got %q, %v, want that the connection is lost within %v, or the other host's answer", rows, err, soon)
			}
			wantAnswer(t, d, "SELECT 1", "1")
			<-gone
		})
	})
}
