package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func codeText(err error) string {
	if err == nil {
		return ""
	}
	return fault.CodeOf(err)
}

// TestMain sees that no goroutine is left of any destination.
func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections() // of the tests themselves
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		wrong := 0 // the port of the other protocol
		for _, tt := range []struct {
			name   string
			change func(*Config)
			want   string
		}{
			{"password", func(c *Config) { c.Password = "wr0ng" }, "Authentication failed"},
			{"query password", func(c *Config) { c.QueryUsername, c.QueryPassword = server.Reader, "wr0ng" }, "who asks the queries"},
			{"user", func(c *Config) { c.Username = "nobody" }, "Authentication failed"},
			{"port", func(c *Config) { c.TCPPort, c.HTTPPort = wrong, wrong }, "open ClickHouse at 127.0.0.1:"},
			{"nobody there", func(c *Config) { c.TCPPort, c.HTTPPort = 1, 1 }, "refused"},
			{"setting", func(c *Config) { c.Choose = "x" }, "choose"},
			{"cluster", func(c *Config) { c.Cluster = "nowhere" }, "nowhere"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c := cfg
				if cfg.Protocol == native && strings.Contains(tt.want+tt.name, "Authentication") || tt.name == "query password" || tt.name == "port" {
					own := servertest.ClickHouse(t) // the library that tests run on may end when it refuses somebody
					c = configOf(own)
					c.Protocol, wrong = cfg.Protocol, own.HTTP
					if cfg.Protocol == overHTTP {
						wrong = own.TCP
					}
				}
				tt.change(&c)
				d, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
				if err == nil {
					_ = d.Close()
					t.Fatal("got no error")
				}
				if text := err.Error(); !strings.Contains(text, tt.want) || strings.Contains(text, "wr0ng") || strings.Contains(text, server.Password) {
					t.Errorf("got %s, want %q in it and no password", text, tt.want)
				}
			})
		}
	})
}

func TestOpenMakesTheDatabase(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		cfg.Database += " `odd\\"
		t.Cleanup(func() { server.Exec(t, "DROP DATABASE "+quote(cfg.Database)) })
		d := openWith(t, cfg)
		table := tableOf(t, "t")
		if err := d.CreateTable(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		wantAnswer(t, d, "SELECT count() FROM t", "0")
	})
}

// TestOneHostIsEnough: losing one of two hosts stops nothing, whichever way they are chosen.
func TestOneHostIsEnough(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		target := fmt.Sprintf("%s:%d", server.Host, map[string]int{native: server.TCP, overHTTP: server.HTTP}[cfg.Protocol])
		for _, choose := range []string{first, roundRobin, healthy} {
			t.Run(choose, func(t *testing.T) {
				one, two := servertest.NewProxy(t, target), servertest.NewProxy(t, target)
				c := cfg
				c.Hosts, c.Choose, c.Database = Hosts{one.Addr(), two.Addr()}, choose, server.Fresh(t).Database
				d, table := openWith(t, c), tableOf(t, "events")
				if err := d.CreateTable(t.Context(), table); err != nil {
					t.Fatal(err)
				}
				cols := []schema.Column{{Name: "n", Kind: schema.Int}, {Name: "s", Kind: schema.Text}}
				if err := d.AddColumns(t.Context(), table, cols); err != nil {
					t.Fatal(err)
				}
				b := wideRows(20_000, 1000)
				did, err := d.Load(t.Context(), table, after(b, 12<<20, func() {
					one.Refuse(true)
					one.Cut()
				}))
				if choose == first && err == nil {
					t.Errorf("its host is lost in the middle of a load: got %+v, want an error", did)
				}
				wantLoaded(t, d, table, b, 20_000)
				one.Refuse(false)
				for i, lost := range []*servertest.Proxy{one, two, one} {
					lost.Refuse(true)
					lost.Cut()
					for range 4 {
						wantAnswer(t, d, "SELECT 1", "1")
					}
					b := destinationtest.Batch(newIDs(), `{}`)
					if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != 1 {
						t.Errorf("with host %d lost: got %+v, %v, want 1 row", i%2, did, err)
					}
					lost.Refuse(false)
				}
				one.Refuse(true)
				two.Refuse(true)
				one.Cut()
				two.Cut()
				if err := d.Query(t.Context(), "SELECT 1", nil, &destinationtest.Rows{}); !errors.Is(err, fault.Busy) {
					t.Errorf("with both lost: got %v, want fault.Busy", err)
				}
				one.Refuse(false)
				wantAnswer(t, d, "SELECT count(), uniqExact(__row_id) FROM events", "20003|20003")
			})
		}
	})
}

// TestWhereStatementsGo: each statement goes to the host that is chosen for it, whichever there are idle connections to.
func TestWhereStatementsGo(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		target := fmt.Sprintf("%s:%d", server.Host, map[string]int{native: server.TCP, overHTTP: server.HTTP}[cfg.Protocol])
		for _, choose := range []string{first, roundRobin, healthy} {
			t.Run(choose, func(t *testing.T) {
				one, two := servertest.NewProxy(t, target), servertest.NewProxy(t, target)
				c := cfg
				c.Hosts, c.Choose = Hosts{one.Addr(), two.Addr()}, choose
				d := openWith(t, c)
				counts := [2]func() int64{one.Count("of needle"), two.Count("of needle")}
				ask := func(n int) (at [2]int64) {
					t.Helper()
					before := [2]int64{counts[0](), counts[1]()}
					for range n {
						if _, err := d.asker.rows(t.Context(), "SELECT 'a text of needle'"); err != nil {
							t.Fatal(err)
						}
					}
					return [2]int64{counts[0]() - before[0], counts[1]() - before[1]}
				}
				want := map[string][2]int64{first: {8, 0}, roundRobin: {4, 4}, healthy: {4, 4}}[choose]
				if got := ask(8); got != want {
					t.Errorf("both work: got %v, want %v", got, want)
				}
				d.asker.hosts.cannotWork(0)
				rests := map[string][2]int64{first: {0, 8}, roundRobin: {4, 4}, healthy: {0, 8}}[choose]
				if got := ask(8); got != rests {
					t.Errorf("the first one rests: got %v, want %v", got, rests)
				}
				d.asker.hosts.mu.Lock()
				d.asker.hosts.sick[0] = time.Now()
				d.asker.hosts.mu.Unlock()
				if got := ask(8); got != want {
					t.Errorf("it works again: got %v, want %v", got, want)
				}
			})
		}
	})
}

// TestSilentNetwork: calls end when their context ends, also where nothing is heard any more.
func TestSilentNetwork(t *testing.T) {
	server := servertest.ClickHouse(t)
	for _, protocol := range []string{native, overHTTP} {
		t.Run(protocol, func(t *testing.T) {
			d, proxy, table := faulty(t, server, protocol, "")
			proxy.Hold()
			defer proxy.Release()
			b := manyRows(200_000)
			for name, call := range map[string]func(ctx context.Context) error{
				"Query":       func(ctx context.Context) error { return d.Query(ctx, "SELECT 1", nil, &destinationtest.Rows{}) },
				"Columns":     func(ctx context.Context) error { _, err := d.Columns(ctx, table); return err },
				"Tables":      func(ctx context.Context) error { _, err := d.Tables(ctx); return err },
				"Load":        func(ctx context.Context) error { _, err := d.Load(ctx, table, b); return err },
				"CreateTable": func(ctx context.Context) error { return d.CreateTable(ctx, table) },
			} {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				begun := time.Now()
				err := call(ctx)
				if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > 8*time.Second {
					t.Errorf("%s: got %v after %v, want context.DeadlineExceeded soon", name, err, took)
				}
				cancel()
			}
		})
	}
}

// TestSilentServer: one that takes connections and says nothing fails Open in time.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing comes after it
	cfg := DefaultConfig()
	cfg.Hosts = Hosts{l.Addr().String()}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

// TestConnectionsAreCounted: a thousand queries, as many at once as there may be and more, have no more connections than that in all.
func TestConnectionsAreCounted(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		target := fmt.Sprintf("%s:%d", server.Host, map[string]int{native: server.TCP, overHTTP: server.HTTP}[cfg.Protocol])
		proxy := servertest.NewProxy(t, target)
		cfg.QueryHosts, cfg.MaxOpenConns, cfg.MaxIdleConns = Hosts{proxy.Addr()}, 4, 4
		d := openWith(t, cfg)
		queries := make(chan int)
		var askers sync.WaitGroup
		for range 16 {
			askers.Go(func() {
				for n := range queries {
					var got destinationtest.Rows
					if err := d.Query(t.Context(), fmt.Sprintf("SELECT %d", n), nil, &got); err != nil || len(got.Rows) != 1 || got.Rows[0] != fmt.Sprint(n) {
						t.Errorf("got %q, %v, want %d", got.Rows, err, n)
					}
				}
			})
		}
		for n := range 1000 {
			queries <- n
		}
		close(queries)
		askers.Wait()
		if made := proxy.Made(); made > 4 {
			t.Errorf("%d connections were made, want at most 4", made)
		}
	})
}

// TestConnectionsToOtherHostsMakeRoom: those that are idle are not counted beside those that may be.
func TestConnectionsToOtherHostsMakeRoom(t *testing.T) {
	server := servertest.ClickHouse(t)
	target := fmt.Sprintf("%s:%d", server.Host, server.TCP)
	cfg := configOf(server)
	cfg.Hosts, cfg.Choose = Hosts{servertest.NewProxy(t, target).Addr(), servertest.NewProxy(t, target).Addr()}, first
	cfg.MaxOpenConns, cfg.MaxIdleConns = 2, 2
	d := openWith(t, cfg)
	p := d.asker
	ask := func(inside func()) {
		t.Helper()
		if err := p.each(t.Context(), "SELECT 'x'", func([]string) error { inside(); return nil }); err != nil {
			t.Error(err)
		}
	}
	counted := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.idle)
	}
	ask(func() { ask(func() {}) }) // two at once
	if got := counted(); got != 2 {
		t.Fatalf("%d connections are idle, want 2", got)
	}
	p.hosts.cannotWork(0)
	ask(func() {
		if got := counted(); got != 1 {
			t.Errorf("%d connections are idle beside the one in use, want 1", got)
		}
	})
}

// TestOldConnections: one that is older than it may be is not used again, and few are kept when they are not in use.
func TestOldConnections(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		target := fmt.Sprintf("%s:%d", server.Host, map[string]int{native: server.TCP, overHTTP: server.HTTP}[cfg.Protocol])
		proxy := servertest.NewProxy(t, target)
		cfg.QueryHosts, cfg.ConnMaxLifetime, cfg.MaxIdleConns = Hosts{proxy.Addr()}, 2, 1
		begun := time.Now()
		d := openWith(t, cfg)
		made := proxy.Made()
		for proxy.Made() == made {
			wantAnswer(t, d, "SELECT sum(number) FROM numbers(10000000)", "49999995000000") // the server itself ends one after 9,999 answers
			if time.Since(begun) > 20*time.Second {
				t.Fatal("a connection is used for 20 s that may be 2 s old")
			}
		}
		if took := time.Since(begun); took < 2*time.Second {
			t.Errorf("a new connection is made after %v, want the old one to be used for 2 s", took)
		}
		var asked sync.WaitGroup
		for range 8 {
			asked.Go(func() {
				if err := d.Query(t.Context(), "SELECT sum(number) FROM numbers(1000000)", nil, &destinationtest.Rows{}); err != nil {
					t.Error(err)
				}
			})
		}
		asked.Wait()
		if d.asker.http == nil && len(d.asker.idle) != 1 {
			t.Errorf("%d connections are idle, want 1", len(d.asker.idle))
		}
	})
}

// TestClusterSQL: the server's parser takes what is said to a cluster.
func TestClusterSQL(t *testing.T) {
	server := servertest.ClickHouse(t)
	d := openWith(t, configOf(server))
	d.cfg.Cluster, d.cfg.StoragePolicy = "it's `here`", "hot"
	table := tableOf(t, "a-b.c d")
	plain, alter := d.createTable(table), d.addColumns(d.path(table), []schema.Column{{Name: "a`b", Kind: schema.Int}, {Name: "c", Kind: schema.Timestamp}})
	d.cfg.ReplicaPath, d.cfg.ReplicaName = "/clickhouse/{uuid}/{shard}", "{replica}"
	for sql, want := range map[string][]string{
		plain:                {"ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}') ORDER BY", "ON CLUSTER", "storage_policy = 'hot'", "replicated_deduplication_window = 10000", "replicated_deduplication_window_seconds = "},
		d.createTable(table): {"ReplicatedMergeTree('/clickhouse/{uuid}/{shard}', '{replica}')"},
		alter:                {"ON CLUSTER", "ADD COLUMN IF NOT EXISTS `a\\`b` Int64, ADD COLUMN IF NOT EXISTS `c` DateTime64(6, 'UTC')"},
	} {
		for _, part := range want {
			if !strings.Contains(sql, part) {
				t.Errorf("%s\nhas no %s", sql, part)
			}
		}
		if tree := server.Exec(t, "EXPLAIN AST "+sql); !strings.Contains(tree, "Query") {
			t.Errorf("%s: got %s", sql, tree)
		}
	}
}

func TestTablesOfOtherDatabases(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		d := openWith(t, cfg)
		other := server.Database + "_shop"
		t.Cleanup(func() { server.Exec(t, "DROP DATABASE IF EXISTS "+other) })
		table := tableOf(t, other+".orders")
		if err := d.CreateTable(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		if did, err := d.Load(t.Context(), table, destinationtest.Batch(newIDs(), `{}`)); err != nil || did.Rows != 1 {
			t.Errorf("got %+v, %v, want 1 row", did, err)
		}
		tables, err := d.Tables(t.Context())
		if err != nil || !slices.Contains(tables, table) {
			t.Errorf("got %v, %v, want %s among them", tables, err, table)
		}
		own := tableOf(t, ledgerTable)
		if _, err := d.Load(t.Context(), own, destinationtest.Batch(newIDs(), `{}`)); !errors.Is(err, fault.Denied) {
			t.Errorf("into the ledger: got %v, want fault.Denied", err)
		}
	})
}
