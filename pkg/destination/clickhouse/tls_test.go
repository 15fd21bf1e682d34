package clickhouse

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestTLS: a server must prove who it is, unless the settings say that it need not.
func TestTLS(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		target := fmt.Sprintf("%s:%d", server.Host, map[string]int{native: server.TCP, overHTTP: server.HTTP}[cfg.Protocol])
		own, authority := servertest.TLS(t, target, "localhost")
		other, otherAuthority := servertest.TLS(t, target, "db.example.com")
		garbage := filepath.Join(t.TempDir(), "x.pem")
		if err := os.WriteFile(garbage, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, want string // of the error; empty: none
			port       int
			change     func(*Config)
		}{
			{"its authority is believed", "", own, func(c *Config) { c.TLSCAFile = authority }},
			{"its authority is not known", "unknown authority", own, func(*Config) {}},
			{"another authority", "unknown authority", own, func(c *Config) { c.TLSCAFile = otherAuthority }},
			{"the name of another", "certificate is valid for db.example.com, not localhost", other, func(c *Config) { c.TLSCAFile = otherAuthority }},
			{"nothing is looked at", "", other, func(c *Config) { c.TLSSkipVerify = true }},
			{"no file", "tls_ca_file: open ", own, func(c *Config) { c.TLSCAFile = garbage + "x" }},
			{"a file of something else", "has no certificate", own, func(c *Config) { c.TLSCAFile = garbage }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c := cfg
				c.Hosts, c.TLS, c.TCPPort, c.HTTPPort = Hosts{"localhost"}, true, tt.port, tt.port
				tt.change(&c)
				if tt.want == "" {
					loadAndAsk(t, c)
					return
				}
				d, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
				if err == nil {
					_ = d.Close()
				}
				if !strings.Contains(fmt.Sprint(err), tt.want) {
					t.Errorf("got %v, want %q in it", err, tt.want)
				}
			})
		}
	})
}

// loadAndAsk loads a row and asks for it.
func loadAndAsk(t *testing.T, cfg Config) {
	t.Helper()
	d, table := openWith(t, cfg), tableOf(t, "t"+strings.ToLower(newIDs().Batch()))
	if err := d.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	if did, err := d.Load(t.Context(), table, destinationtest.Batch(newIDs(), `{}`)); err != nil || did.Rows != 1 {
		t.Errorf("got %+v, %v, want 1 row", did, err)
	}
	wantAnswer(t, d, "SELECT count() FROM "+table.String(), "1")
}

// TestQueriesGoElsewhere: loads and queries have hosts of their own, and each its own way to choose among them.
func TestQueriesGoElsewhere(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		target := fmt.Sprintf("%s:%d", server.Host, map[string]int{native: server.TCP, overHTTP: server.HTTP}[cfg.Protocol])
		writes, reads := servertest.NewProxy(t, target), servertest.NewProxy(t, target)
		cfg.Hosts, cfg.QueryHosts, cfg.Choose, cfg.QueryChoose = Hosts{writes.Addr()}, Hosts{reads.Addr(), writes.Addr()}, roundRobin, first
		d, table := openWith(t, cfg), tableOf(t, "events")
		if err := d.CreateTable(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		writes.Refuse(true)
		writes.Cut()
		for range 3 {
			wantAnswer(t, d, "SELECT count() FROM events", "0")
		}
		if did, err := d.Load(t.Context(), table, destinationtest.Batch(newIDs(), `{}`)); err == nil {
			t.Errorf("got %+v, want that rows do not go to the host for queries", did)
		}
		writes.Refuse(false)
		reads.Refuse(true)
		reads.Cut()
		if did, err := d.Load(t.Context(), table, destinationtest.Batch(newIDs(), `{}`)); err != nil || did.Rows != 1 {
			t.Errorf("got %+v, %v, want 1 row", did, err)
		}
		wantAnswer(t, d, "SELECT count() FROM events", "1")
		reads.Refuse(false)
	})
}

// TestDifferentServers: two servers that know nothing of each other would have each a part of the rows, and some twice.
func TestDifferentServers(t *testing.T) {
	one, two := servertest.ClickHouse(t), servertest.ClickHouse(t)
	if one.TCP == two.TCP {
		servertest.Missing(t, "there is one server only")
	}
	for _, protocol := range []string{native, overHTTP} {
		cfg := configOf(one)
		cfg.Protocol = protocol
		cfg.Hosts = Hosts{fmt.Sprintf("%s:%d", one.Host, one.TCP), fmt.Sprintf("%s:%d", two.Host, two.TCP)}
		if protocol == overHTTP {
			cfg.Hosts = Hosts{fmt.Sprintf("%s:%d", one.Host, one.HTTP), fmt.Sprintf("%s:%d", two.Host, two.HTTP)}
		}
		d, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = d.Close()
		}
		if codeText(err) != "different_servers" {
			t.Errorf("%s: got %v, want that they are refused", protocol, err)
		}
	}
}

// TestReplicatedDatabase: its servers tell each other of tables and not of rows. The tables that are made without a cluster are plain
// ones, so each server would have rows of its own, and a batch that comes again to another one would be there twice.
func TestReplicatedDatabase(t *testing.T) {
	c := servertest.ClickHouseReplicas(t)
	for _, n := range c.Nodes {
		n.Exec(t, "CREATE DATABASE events ENGINE = Replicated('/clickhouse/databases/events', '{shard}', '{replica}')")
	}
	for protocol, cfg := range map[string]Config{native: nativeConfig(c, 0, 1), overHTTP: clusterConfig(c, 0, 1)} {
		cfg.Cluster = ""
		d, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = d.Close()
		}
		if codeText(err) != "different_servers" {
			t.Errorf("%s: got %v, want that they are refused", protocol, err)
		}
	}
}

// TestSharedDatabase: it has the same rows on all servers, but other tables and databases have not, and a batch may come again to another
// server.
func TestSharedDatabase(t *testing.T) {
	server := servertest.ClickHouse(t)
	one := servertest.ClickHouseSeems(t, server, "engine = 'Shared'", "1") // there is none at hand
	two := servertest.ClickHouseSeems(t, server, "engine = 'Shared'", "1")
	cfg := configOf(one)
	cfg.Protocol, cfg.Hosts = overHTTP, Hosts{fmt.Sprintf("127.0.0.1:%d", one.HTTP), fmt.Sprintf("127.0.0.1:%d", two.HTTP)}
	d, table := openWith(t, cfg), tableOf(t, "events")
	makeEvents(t, d, table)
	if did, err := d.Load(t.Context(), table, numbered(0, 1)); fault.CodeOf(err) != "table_not_replicated" {
		t.Errorf("got %+v, %v, want that a table of one server is refused", did, err)
	}
	alone := cfg
	alone.Hosts = cfg.Hosts[:1]
	if did, err := openWith(t, alone).Load(t.Context(), table, numbered(0, 1)); err != nil || did.Rows != 1 {
		t.Errorf("with one host: got %+v, %v, want 1 row", did, err)
	}
	if err := d.checkPlace(table, described{engine: "SharedMergeTree"}); err != nil {
		t.Errorf("got %v, want that a shared table is taken", err)
	}
}

// TestTablesOfServersThatForget: where a server lacks what tables remember batches by, that is found and said when it is opened, and the
// ledger alone keeps batches from being there twice.
func TestTablesOfServersThatForget(t *testing.T) {
	server := servertest.ClickHouse(t)
	tokens := []string{"FROM system.settings", "FROM (SELECT * FROM system.settings WHERE name != 'insert_deduplication_token')"}
	window := []string{"name = 'non_replicated_deduplication_window'", "0"}
	for _, tt := range []struct {
		name           string
		lacks          []string
		tokens, window bool
	}{
		{"nothing", nil, true, true},
		{"tokens", tokens, false, true},
		{"windows", window, true, false},
		{"both", append(tokens, window...), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := configOf(servertest.ClickHouseSeems(t, server.Fresh(t), tt.lacks...))
			cfg.Protocol = overHTTP
			var log strings.Builder
			opened, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = opened.Close() }) // it is asked nothing after
			d := opened.(*Destination)
			if d.knows.tokens() != tt.tokens || d.knows.window != tt.window {
				t.Errorf("got tokens %t and windows %t, want %t and %t", d.knows.tokens(), d.knows.window, tt.tokens, tt.window)
			}
			warning := fmt.Sprintf("insert_deduplication_token=%t non_replicated_deduplication_window=%t", tt.tokens, tt.window)
			if warned := strings.Contains(log.String(), warning); warned != (tt.lacks != nil) {
				t.Errorf("got the log %s, want a warning only of what is lacking: %s", &log, warning)
			}
			loadsAsItKnows(t, server, d)
			cfg = configOf(server.Fresh(t))
			other := openWith(t, cfg)
			other.knows = d.knows
			loadsAsItKnows(t, server, other)
		})
	}
}

// loadsAsItKnows: a batch whose end was not noted is there once when it comes again, by the token or by the note of its beginning.
func loadsAsItKnows(t *testing.T, server servertest.ClickHouseServer, d *Destination) {
	t.Helper()
	server.Database = d.cfg.Database
	table := tableOf(t, "events")
	makeEvents(t, d, table)
	if got := server.Exec(t, "SELECT create_table_query FROM system.tables WHERE name = 'events' AND database = currentDatabase()"); strings.Contains(got, "deduplication") != d.knows.window {
		t.Errorf("got %s, want a window there only if the server knows windows", got)
	}
	mustExec(t, d, "CREATE TABLE "+ledgerTable+" (batch_id String, state LowCardinality(String), rows Int64, rescued Int64, loaded_at DateTime DEFAULT now(), "+
		"CONSTRAINT full CHECK state != 'loaded') ENGINE = MergeTree ORDER BY batch_id")
	b := manyRows(10)
	if did, err := d.Load(t.Context(), table, b); err == nil {
		t.Fatalf("got %+v, want that the ledger is not written", did)
	}
	noted := "1"
	if d.knows.tokens() && d.knows.window {
		noted = "0"
	}
	wantAnswer(t, d, "SELECT countIf(state = 'begun') FROM "+ledgerTable, noted)
	mustExec(t, d, "ALTER TABLE "+ledgerTable+" DROP CONSTRAINT full")
	wantLoaded(t, d, table, b, 10)
}
