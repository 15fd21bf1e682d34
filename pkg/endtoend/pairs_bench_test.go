package endtoend

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/bench"
)

// BenchmarkPairs measures what the way through each queue and each blob store costs that is installed, and prints the table of
// `scratchdata bench --only pairs`. SCRATCH_TEST_EVENTS and SCRATCH_TEST_ROUNDS say how much, as its flags do; SCRATCH_TEST_PAIRS which
// pairs alone, as "redis × s3,sqs × gcs".
func BenchmarkPairs(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv(asProgram, "1")
	fmt.Println() // after the benchmark's name
	cfg := bench.Config{Program: exe, Dir: b.TempDir(), Events: number(b, "EVENTS", 4_000_000), Rounds: number(b, "ROUNDS", 3),
		Only: []string{"pairs"}, Configs: pairFiles(b, available(b, queues), available(b, stores))}
	if err := bench.Run(b.Context(), cfg, os.Stdout); err != nil {
		b.Error(err)
	}
}

// available gives the YAML of those that can be had, and says which cannot. What is only in memory does not count.
func available(b *testing.B, all map[string]func(testing.TB) section) map[string]string {
	b.Helper()
	found := make(map[string]string)
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		if kind == "memory" {
			continue
		}
		p, done := &probe{TB: b}, make(chan struct{})
		go func() { // as what is missing ends the goroutine
			defer close(done)
			found[kind] = all[kind](p).yaml
		}()
		<-done
		if b.Failed() { // it is here, and does not start
			b.FailNow()
		}
		if p.missing != "" {
			fmt.Printf("missing: %s: %s\n", kind, p.missing)
		}
	}
	return found
}

// probe notes that a server is missing, where a test would be skipped.
type probe struct {
	testing.TB
	missing string
}

// Skipf ends the goroutine.
func (p *probe) Skipf(format string, args ...any) {
	p.missing = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// pairFiles writes a configuration for each queue and store, but the local ones: all are measured against those.
func pairFiles(b *testing.B, queues, stores map[string]string) (files []string) {
	b.Helper()
	dir, only := b.TempDir(), os.Getenv("SCRATCH_TEST_PAIRS")
	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		for _, store := range slices.Sorted(maps.Keys(stores)) {
			name := queue + " × " + store
			if name == "local × local" || only != "" && !slices.Contains(strings.Split(only, ","), name) {
				continue
			}
			file := filepath.Join(dir, name+".yaml")
			if err := os.WriteFile(file, []byte(queues[queue]+stores[store]), 0o600); err != nil {
				b.Fatal(err)
			}
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		b.Fatalf("there is no pair to measure: queues %q, stores %q, of which only %q", slices.Sorted(maps.Keys(queues)), slices.Sorted(maps.Keys(stores)), only)
	}
	return files
}

// number reads SCRATCH_TEST_ and name.
func number(b *testing.B, name string, otherwise int) int {
	b.Helper()
	text, ok := os.LookupEnv("SCRATCH_TEST_" + name)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("SCRATCH_TEST_%s=%q: want a number", name, text)
	}
	return n
}
