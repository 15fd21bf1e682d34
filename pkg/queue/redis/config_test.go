package redis

import (
	"fmt"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   []string // what the mistakes begin with
	}{
		{"the default", func(*Config) {}, nil},
		{"all", func(c *Config) {
			c.URL, c.Stream, c.Group, c.WaitReplicas = "rediss://ann:hunter2@h:1/3?read_timeout=6s", "{a}:b", "g", 2
		}, nil},
		{"several addresses", func(c *Config) { c.URL = "redis://:hunter2@a:1?addr=b:2&addr=c:3" }, nil},
		{"a socket", func(c *Config) { c.URL = "unix:///run/redis.sock" }, nil},
		{"no URL", func(c *Config) { c.URL = "" }, []string{"url: "}},
		{"another scheme", func(c *Config) { c.URL = "http://:hunter2@a:1" }, []string{"url: "}},
		{"an unknown option", func(c *Config) { c.URL = "redis://:hunter2@a:1/0?colour=hunter2" }, []string{"url: "}},
		{"no URL at all", func(c *Config) { c.URL = "redis://:hunter2@a:port\x7f" }, []string{"url: "}},
		{"no stream", func(c *Config) { c.Stream = "" }, []string{"stream: must not be empty"}},
		{"a brace", func(c *Config) { c.Stream = "a}b" }, []string{"stream: "}},
		{"an open brace", func(c *Config) { c.Stream = "a{b" }, []string{"stream: "}},
		{"empty braces", func(c *Config) { c.Stream = "a{}b" }, []string{"stream: "}},
		{"everything at once", func(c *Config) { *c = Config{WaitReplicas: -1} }, []string{"url: ", "stream: ", "group: ", "wait_replicas: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			tt.change(&c)
			var got []string
			if err := c.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) || strings.Contains(got[i], "hunter2") {
					t.Errorf("got %q, want %q and no password", got[i], tt.want[i])
				}
			}
		})
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	if got := fmt.Sprintf("%+v", Config{URL: "redis://:hunter2@a:1"}); strings.Contains(got, "hunter2") {
		t.Errorf("got %s", got)
	}
}

// TestKeysAreInOneSlot asks a cluster, which takes scripts only whose keys are in one.
func TestKeysAreInOneSlot(t *testing.T) {
	s := servertest.StartRedis(t, "--cluster-enabled", "yes")
	o, err := goredis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(o)
	defer c.Close() //nolint:errcheck // nothing is written
	slot := func(key string) int64 {
		n, err := c.ClusterKeySlot(t.Context(), key).Result()
		if err != nil {
			t.Error(err)
		}
		return n
	}
	for _, stream := range []string{"a", "scratchdata:batches", "{a}", "{a}b", "a{b}c", "a{b}{c}", "{a}}b", "a{{b}c", "ä b"} {
		cfg := Config{URL: "redis://a", Stream: stream, Group: "g}h{i}"}
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", stream, err)
		}
		if got, want := slot(cfg.leases()), slot(stream); got != want {
			t.Errorf("%s is in slot %d, the leases %s in %d", stream, want, cfg.leases(), got)
		}
	}
}
