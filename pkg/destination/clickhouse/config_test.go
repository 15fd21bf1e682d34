package clickhouse

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gopkg.in/yaml.v3"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"defaults", func(*Config) {}, nil},
		{"all of it", func(c *Config) {
			*c = Config{Hosts: Hosts{"a/b", ""}, Choose: "best", Protocol: "ftp", HTTPPort: -1, TCPPort: 70000, TLSSkipVerify: true, QueryPassword: "x",
				MaxIdleConns: -1, MaxMemoryUsage: -1, ConnMaxLifetime: -1, ReplicaPath: "/clickhouse/tables"}
		}, []string{`hosts: "a/b" is neither`, `hosts: "" is neither`, `choose: "best"`, `protocol: "ftp"`, "username: is empty", "database: is empty", "query_password: is set",
			"http_port: -1", "tcp_port: 70000", "tls_skip_verify: is set", "replica_path: is set, and cluster", "replica_name: it and", "replica_path: \"/clickhouse/tables\" has no macro",
			"max_open_conns: 0", "max_idle_conns: -1", "max_memory_usage: -1", "conn_max_lifetime_secs: -1"}},
		{"no hosts", func(c *Config) { c.Hosts = nil }, []string{"hosts: is empty"}},
		{"hosts of all sorts", func(c *Config) { c.Hosts = Hosts{"::1", "[::1]:9000", "10.0.0.1", "db:1", "db.example.com"} }, nil},
		{"a port that is none", func(c *Config) { c.Hosts = Hosts{"db:x", "db:0", ":9000"} }, []string{"hosts: ", "hosts: ", "hosts: "}},
		{"a cluster", func(c *Config) {
			c.Cluster, c.ReplicaPath, c.ReplicaName, c.Distributed, c.InsertQuorum = "it", "/clickhouse/{uuid}/{shard}", "{replica}", true, 2
		}, nil},
		{"no cluster", func(c *Config) { c.Distributed, c.InsertQuorum = true, 1 }, []string{"distributed: is set", "insert_quorum: 1"}},
		{"queries elsewhere", func(c *Config) { c.QueryHosts, c.QueryChoose = Hosts{"a/b"}, "best" }, []string{`query_hosts: "a/b"`, `query_choose: "best"`}},
		{"authorities", func(c *Config) { c.TLSCAFile = "x" }, []string{"tls_ca_file: is set"}},
		{"authorities for nothing", func(c *Config) { c.TLS, c.TLSSkipVerify, c.TLSCAFile = true, true, "x" }, []string{"tls_ca_file: is set"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			tt.change(&c)
			err := c.Validate()
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %d mistakes", got, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("mistake %d: got %s, want %s…", i, got[i], want)
				}
			}
		})
	}
}

func TestHostsAreReadInEveryForm(t *testing.T) {
	for text, want := range map[string]string{"hosts: [a, b]": "a,b", "hosts: a": "a", "host: a": "a", "host: 'a, b:1'": "a,b:1", "host: [a]\nhosts: [b]": "a",
		"username: u": "localhost"} {
		c := DefaultConfig()
		if err := yaml.Unmarshal([]byte(text), &c); err != nil || strings.Join(c.Hosts, ",") != want || c.MaxOpenConns != 16 {
			t.Errorf("%s: got %v, %v, want %s and the other defaults", text, c.Hosts, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(*Config) {}, "localhost:9000"},
		{func(c *Config) { c.Protocol = overHTTP }, "localhost:8123"},
		{func(c *Config) { c.TLS = true }, "localhost:9440"},
		{func(c *Config) { c.TLS, c.Protocol = true, overHTTP }, "localhost:8443"},
		{func(c *Config) { c.TCPPort, c.HTTPPort, c.Hosts = 1, 2, Hosts{"a", "b:3", "::1", "[::1]", "[::1]:4"} }, "a:1 b:3 [::1]:1 [::1]:1 [::1]:4"},
	} {
		c := DefaultConfig()
		tt.change(&c)
		if got := strings.Join(c.addresses(c.Hosts), " "); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestHostsOrder(t *testing.T) {
	for _, tt := range []struct {
		choose string
		failed []int
		want   [][]int
	}{
		{first, nil, [][]int{{0, 1, 2}, {0, 1, 2}}},
		{first, []int{0}, [][]int{{1, 2, 0}, {1, 2, 0}}},
		{roundRobin, []int{0}, [][]int{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {0, 1, 2}}},
		{healthy, nil, [][]int{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}}},
		{healthy, []int{0}, [][]int{{1, 2, 0}, {1, 2, 0}, {2, 1, 0}}},
		{healthy, []int{0, 1, 2}, [][]int{{0, 1, 2}, {1, 2, 0}}},
	} {
		h := newHosts([]string{"a", "b", "c"}, tt.choose)
		for _, host := range tt.failed {
			h.reached(host, false)
		}
		for i, want := range tt.want {
			if got := h.order(); !slices.Equal(got, want) {
				t.Errorf("%s with %v failed, try %d: got %v, want %v", tt.choose, tt.failed, i, got, want)
			}
		}
		for _, host := range tt.failed {
			h.reached(host, true)
		}
		if got := h.order(); h.lost[got[0]] {
			t.Errorf("%s: a host that is back comes last still", tt.choose)
		}
	}
}

// TestHostsThatCannotWorkRest: one that was reached and could not work comes last for a while.
func TestHostsThatCannotWorkRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHosts([]string{"a", "b"}, first)
		h.cannotWork(0)
		if got := h.order(); !slices.Equal(got, []int{1, 0}) {
			t.Errorf("got %v, want 1 0", got)
		}
		time.Sleep(hostRests)
		if got := h.order(); !slices.Equal(got, []int{0, 1}) {
			t.Errorf("after the rest: got %v, want 0 1", got)
		}
	})
}

// TestHostsAreChecked: a lost host comes last until a check finds it, and is not checked for ever.
func TestHostsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHosts([]string{"a", "b"}, first)
		var checks atomic.Int32
		var back atomic.Bool
		h.check = func(context.Context, int) error {
			if checks.Add(1); back.Load() {
				return nil
			}
			return net.ErrClosed
		}
		pass := func(n int, wantChecks int32, want ...int) {
			t.Helper()
			time.Sleep(time.Duration(n) * checkEvery)
			synctest.Wait()
			if got := h.order(); checks.Load() != wantChecks || !slices.Equal(got, want) {
				t.Errorf("got %v after %d checks, want %v after %d", got, checks.Load(), want, wantChecks)
			}
		}
		h.reached(0, false)
		h.reached(0, false)
		pass(10, 10, 1, 0)
		back.Store(true)
		pass(10, 11, 0, 1)
		back.Store(false)
		h.reached(1, false)
		pass(1, 12, 0, 1)
		h.close()
		pass(10, 12, 0, 1)
	})
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{"22.8.1.2097": true, "22.7.9.1": false, "23.1": true, "26.7.2.1": true, "18.16.1": false, "": false, "v1": false, "22": false} {
		if err := checkVersion(version); (err == nil) != want {
			t.Errorf("%q: got %v, want that it is taken: %t", version, err, want)
		}
	}
}

// TestShards: which rows of a Distributed table have a steady place.
func TestShards(t *testing.T) {
	for engine, want := range map[string]string{
		"Distributed('it', 'd', 't')":                                          "it d t false",
		"Distributed('it', 'd', 't', rand())":                                  "it d t false",
		"Distributed('it', 'd', 't', cityHash64(id), 'policy')":                "it d t true",
		`Distributed('a\'b', 'd\\e', 't', sipHash64(a, b) % 4) SETTINGS x = 1`: `a'b d\e t true`,
		"Distributed('it', 'd', 't', xor(id, generateUUIDv4()))":               "it d t false",
		"MergeTree ORDER BY n":                                                 "none",
	} {
		got := "none"
		if o, ok := parseDistributed(engine); ok {
			got = fmt.Sprint(o.cluster, " ", o.database, " ", o.table, " ", o.steady())
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", engine, got, want)
		}
	}
	seen := map[string]int{}
	ids := newIDs()
	for range 100 {
		id := ids.Batch()
		if shard := shardOf(id, 3); shard != shardOf(id, 3) {
			t.Errorf("batch %s has two places", id)
		} else {
			seen[shard]++
		}
	}
	if len(seen) != 3 || seen["1"] == 0 || seen["3"] == 0 {
		t.Errorf("got %v, want batches on each of 1, 2 and 3", seen)
	}
}
