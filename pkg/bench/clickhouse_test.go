package bench

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestParseClickHouse(t *testing.T) {
	s, err := parseClickHouse("clickhouse://app:s%40cret@127.0.0.1:9001?http_port=8124")
	c := s.cfg
	if err != nil || c.Hosts[0] != "127.0.0.1" || c.TCPPort != 9001 || c.HTTPPort != 8124 || c.Username != "app" || c.Password.Reveal() != "s@cret" {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, dsn := range []string{"", "127.0.0.1:9000", "http://127.0.0.1", "clickhouse://", "clickhouse://h:9000?http_port=x"} {
		if _, err := parseClickHouse(dsn); err == nil {
			t.Errorf("%q: got no error", dsn)
		}
	}
}

// TestClickHouseIsLeftOut: without a server there is nothing to measure, and the table says so.
func TestClickHouseIsLeftOut(t *testing.T) {
	var out bytes.Buffer
	if err := Run(context.Background(), Config{Only: []string{"clickhouse"}}, &out); err != nil || !strings.Contains(out.String(), "no --clickhouse was given") {
		t.Errorf("got %s, %v", out.String(), err)
	}
}
