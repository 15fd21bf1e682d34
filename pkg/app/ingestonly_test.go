package app

import (
	"net/http"
	"strings"
	"testing"
)

// A node that only takes rows does not need the database, which another process has open: the rows go to its workers.
func TestNodeThatOnlyTakesRows(t *testing.T) {
	cfg := load(t, environ(t.TempDir(), "SCRATCH_WORKERS_ENABLED=false", "SCRATCH_DESTINATIONS_0_TYPE=ingest_only"))
	s := serve(t, cfg)
	s.insert("events", `{"a":1}`)
	if status, text := s.do("POST", "/api/data/query", "select 1"); status != http.StatusServiceUnavailable || !strings.Contains(text, `"code":"destination_elsewhere"`) {
		t.Errorf("a query: got %d %s, want 503", status, text)
	}
	if status, text := s.do("GET", "/healthcheck", ""); status != http.StatusOK {
		t.Errorf("the health check: got %d %s, want 200", status, text)
	}
	s.mustStop()
}
