package clickhouse

import (
	"slices"
	"strings"
	"testing"
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
				MaxIdleConns: -1, ConnMaxLifetime: -1, ReplicaPath: "/clickhouse/tables"}
		}, []string{`hosts: "a/b" is neither`, `hosts: "" is neither`, `choose: "best"`, `protocol: "ftp"`, "username: is empty", "database: is empty", "query_password: is set",
			"http_port: -1", "tcp_port: 70000", "tls_skip_verify: is set", "replica_path: is set, and cluster", "replica_name: it and", "replica_path: \"/clickhouse/tables\" has no macro",
			"max_open_conns: 0", "max_idle_conns: -1", "conn_max_lifetime_secs: -1"}},
		{"no hosts", func(c *Config) { c.Hosts = nil }, []string{"hosts: is empty"}},
		{"hosts of all sorts", func(c *Config) { c.Hosts = Hosts{"::1", "[::1]:9000", "10.0.0.1", "db:1", "db.example.com"} }, nil},
		{"a port that is none", func(c *Config) { c.Hosts = Hosts{"db:x", "db:0", ":9000"} }, []string{"hosts: ", "hosts: ", "hosts: "}},
		{"a cluster", func(c *Config) {
			c.Cluster, c.ReplicaPath, c.ReplicaName = "it", "/clickhouse/{uuid}/{shard}", "{replica}"
		}, nil},
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
		if got := strings.Join(c.addresses(), " "); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestHostsOrder(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		choose string
		failed []int
		want   [][]int
	}{
		{first, []int{0}, [][]int{{0, 1, 2}, {0, 1, 2}}},
		{roundRobin, []int{0}, [][]int{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {0, 1, 2}}},
		{healthy, nil, [][]int{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}}},
		{healthy, []int{0}, [][]int{{1, 2, 0}, {1, 2, 0}, {2, 1, 0}}},
		{healthy, []int{0, 1, 2}, [][]int{{0, 1, 2}, {1, 2, 0}}},
	} {
		h := newHosts([]string{"a", "b", "c"}, tt.choose)
		for _, host := range tt.failed {
			h.note(host, false, now)
		}
		for i, want := range tt.want {
			if got := h.order(now); !slices.Equal(got, want) {
				t.Errorf("%s with %v failed, try %d: got %v, want %v", tt.choose, tt.failed, i, got, want)
			}
		}
		for _, host := range tt.failed {
			h.note(host, true, now)
		}
		if got := h.order(now); tt.choose == healthy && h.failed[got[0]] != (time.Time{}) {
			t.Errorf("%s: a host that is back comes last still", tt.choose)
		}
	}
	h := newHosts([]string{"a", "b"}, healthy)
	h.note(0, false, now)
	if got := h.order(now.Add(hostRests)); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("after the rest: got %v, want 0 1", got)
	}
}
