package redis

import (
	"crypto/rand"
	"log/slog"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// settings are those of a new queue on a server of the tests.
func settings(url string) Config {
	c := DefaultConfig()
	c.URL, c.Stream = secret.String(url), "test:"+strings.ToLower(rand.Text())
	return c
}

func openQueue(t testing.TB, cfg Config) *redis {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	q, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q.(*redis)
}

func suite(t *testing.T, fresh func() Config) {
	t.Helper()
	queuetest.Run(t, func(t *testing.T) queue.Queue { return openQueue(t, fresh()) })
	queuetest.RunDurable(t, func(t *testing.T) func() queue.Queue {
		cfg := fresh()
		return func() queue.Queue { return openQueue(t, cfg) }
	})
}

func TestQueue(t *testing.T) {
	url := servertest.Redis(t)
	suite(t, func() Config { return settings(url) })
}

func TestQueueInACluster(t *testing.T) {
	url := servertest.RedisCluster(t)
	suite(t, func() Config { return settings(url) })
}
