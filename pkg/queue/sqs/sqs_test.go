package sqs

import (
	"log/slog"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// settings are those of a queue on a server of the tests. Its requests wait for a short time, as closing waits for them.
func settings(endpoint, url string) Config {
	c := DefaultConfig()
	c.Endpoint, c.URL, c.Region, c.Wait = endpoint, url, "us-east-1", time.Second
	c.AccessKeyID, c.SecretAccessKey = "test", "hunter2"
	return c
}

func openURL(t testing.TB, endpoint, url string) queue.Queue {
	t.Helper()
	cfg := settings(endpoint, url)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	q, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// onEngines runs a test on each of the servers that speak as SQS does.
func onEngines(t *testing.T, test func(t *testing.T, s servertest.SQSServer)) {
	t.Helper()
	for name, server := range map[string]func(testing.TB) servertest.SQSServer{"moto": servertest.SQS, "fauxqs": servertest.Fauxqs} {
		t.Run(name, func(t *testing.T) { test(t, server(t)) })
	}
}

func TestQueue(t *testing.T) {
	onEngines(t, func(t *testing.T, s servertest.SQSServer) {
		queuetest.Run(t, func(t *testing.T) queue.Queue { return openURL(t, s.Endpoint, s.Queue(t, nil)) })
		queuetest.RunDurable(t, func(t *testing.T) func() queue.Queue {
			url := s.Queue(t, nil)
			return func() queue.Queue { return openURL(t, s.Endpoint, url) }
		})
	})
}
