package redis

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	s := servertest.StartRedis(t)
	defer servertest.NoLeaks(t, goleak.IgnoreCurrent())
	taken := settings(s.URL())
	other := openQueue(t, settings(s.URL()))
	if err := other.client.Set(t.Context(), taken.Stream, "no stream", 0).Err(); err != nil {
		t.Fatal(err)
	}
	shut(t, other)
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"a wrong password", settings("redis://:hunter2@" + s.Addr()), "WRONGPASS"},
		{"no password", settings("redis://" + s.Addr()), "NOAUTH"},
		{"nobody there", settings("redis://:hunter2@127.0.0.1:1"), "connection refused"},
		{"another thing under the key", taken, "WRONGTYPE"},
	} {
		q, err := Open(t.Context(), tt.cfg, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v and %v, want %q and no password", tt.name, q, err, tt.want)
		}
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	s := servertest.StartRedis(t)
	p := servertest.NewProxy(t, s.Addr())
	p.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := Open(ctx, settings("redis://:pw@"+p.Addr()), slog.New(slog.DiscardHandler))
	if got := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || got > openWithin/2 {
		t.Errorf("got %v after %v, want deadline exceeded at once", err, got)
	}
}

func TestOpenWarns(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want []string // nothing else is said
	}{
		{"nothing to warn of", nil, nil},
		{"a second may be lost", []string{"--appendfsync", "everysec"}, []string{"appendfsync to always"}},
		{"nothing on disk", []string{"--appendonly", "no"}, []string{"appendonly to yes"}},
		{"messages are thrown away", []string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, []string{"maxmemory-policy to noeviction"}},
		{"everything", []string{"--appendonly", "no", "--appendfsync", "no", "--maxmemory-policy", "volatile-ttl"},
			[]string{"appendonly to yes", "appendfsync to always", "maxmemory-policy to noeviction"}},
		{"a server that does not tell", []string{"--appendonly", "no", "--rename-command", "CONFIG", ""}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := settings(servertest.StartRedis(t, tt.args...).URL())
			var said bytes.Buffer
			q, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(said.String(), want) {
					t.Errorf("got %q, want %q", said.String(), want)
				}
			}
			if got := strings.Count(said.String(), "\n"); got != len(tt.want) {
				t.Errorf("got %d warnings %q, want %d", got, said.String(), len(tt.want))
			}
			shut(t, q)
		})
	}
}

// TestClusterByOneOfItsAddresses opens it by a URL that names a server which is not there too.
func TestClusterByOneOfItsAddresses(t *testing.T) {
	url := servertest.RedisCluster(t)
	_, at, _ := strings.Cut(url, "@")
	cfg := settings("")
	cfg.URL = secret.String("redis://:pw@127.0.0.1:1?addr=" + strings.TrimSuffix(at, "/0"))
	q := openQueue(t, cfg)
	send(t, q, "a")
	want(t, receive(t, q, time.Minute), "a", 1)
	shut(t, q)
}
