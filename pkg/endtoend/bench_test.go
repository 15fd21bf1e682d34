package endtoend

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/bench"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestBenchOfClickHouse: what measures it works. How fast it is a few rows do not tell.
func TestBenchOfClickHouse(t *testing.T) {
	servers.Need(t, "CLICKHOUSE")
	s := servertest.ClickHouse(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asProgram, "1")
	t.Setenv("SCRATCH_UPLOADS_FREE_SPACE_REQUIRED", "0")
	t.Setenv("SCRATCH_WORKERS_FREE_SPACE_REQUIRED", "0")
	var out bytes.Buffer
	cfg := bench.Config{Program: exe, Dir: t.TempDir(), Rounds: 1, Only: []string{"clickhouse"}, Rows: 2000,
		ClickHouse: fmt.Sprintf("clickhouse://%s@%s:%d?http_port=%d", url.UserPassword(s.User, s.Password), s.Host, s.TCP, s.HTTP)}
	if err := bench.Run(t.Context(), cfg, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0.002 M × 7 rows into ClickHouse, native", "0.002 M × 7 rows into ClickHouse, http"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s\nwant %s", &out, want)
		}
	}
	for figure, want := range map[string]int{"FORMAT JSONEachRow": 4, "out as json over HTTP": 2, "in one request until loaded": 2, "≤": 0} {
		if got := strings.Count(out.String(), figure); got != want {
			t.Errorf("got %d of %q, want %d: %s", got, figure, want, &out)
		}
	}
	if got := s.Exec(t, "SELECT count() FROM system.databases WHERE name = 'scratchdata_bench'"); got != "0" {
		t.Error("the database that it was measured in is left")
	}
}
