package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/servertest"
	"github.com/scratchdata/scratchdata/pkg/soak"
)

// BenchmarkSoak is `scratchdata soak` with ClickHouse, which takes several batches at a time, S3 and Redis: so each worker has
// memory of its own.
func BenchmarkSoak(b *testing.B) {
	click := servertest.ClickHouse(b).Fresh(b)
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv(asProgram, "1")
	cfg := soak.Config{Program: exe, Dir: b.TempDir(), Duration: time.Minute, Workers: []int{1, 2, 4, 8}, Fill: int64(number(b, "FILL", 300)) * 1e6,
		Rate: 4e6, Bounds: soak.PoolBounds(), Seed: 1}
	cfg.Server = filepath.Join(cfg.Dir, "config.yaml")
	text := fmt.Sprintf(`destinations:
  - {id: 1, type: clickhouse, api_keys: [local], settings: {hosts: [%q], tcp_port: %d, username: %q, password: %q, database: %q}}
`, click.Host, click.TCP, click.User, click.Password, click.Database) + newQueue(b, "redis").yaml + newStore(b, "s3").yaml
	if err := os.WriteFile(cfg.Server, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	report, err := soak.Run(b.Context(), cfg, os.Stdout)
	report.Print(os.Stdout)
	if err != nil {
		b.Error(err)
	}
	for _, p := range report.Problems() {
		b.Error(p)
	}
}
