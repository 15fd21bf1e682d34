package servertest

import (
	"strings"
	"testing"
)

func TestRedisStartsAndStops(t *testing.T) {
	if url := Redis(t); url == "" {
		t.Error("got no URL")
	}
}

func TestRedisKeepsWhatItHasAnswered(t *testing.T) {
	s := StartRedis(t)
	s.must(t, "set", "a", "kept")
	for name, end := range map[string]func(){"stopped": s.Stop, "crashed": s.Crash} {
		end()
		if got, err := s.cli(t.Context(), "get", "a"); err == nil {
			t.Errorf("%s: it answers %q", name, got)
		}
		s.Start(t)
		if got, err := s.cli(t.Context(), "get", "a"); got != "kept" || err != nil {
			t.Errorf("%s: got %q and %v, want what was set", name, got, err)
		}
	}
}

func TestRedisClusterSharesTheSlots(t *testing.T) {
	if url := RedisCluster(t); !strings.HasPrefix(url, "redis://") {
		t.Errorf("got %q, want a URL", url)
	}
}
