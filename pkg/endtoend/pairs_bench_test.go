package endtoend

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/bench"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// BenchmarkPairs measures what the way through each queue and each blob store costs that is installed, and prints the table of
// `scratchdata bench --only pairs`. SCRATCH_TEST_EVENTS and SCRATCH_TEST_ROUNDS say how much, as its flags do.
func BenchmarkPairs(b *testing.B) {
	queues := available(b, map[string]func(testing.TB) string{
		"local": func(testing.TB) string { return "queue: {type: local}\n" },
		"redis": func(t testing.TB) string {
			return fmt.Sprintf("queue: {type: redis, settings: {url: %q}}\n", servertest.Redis(t))
		},
		"rabbitmq": func(t testing.TB) string {
			return fmt.Sprintf("queue: {type: rabbitmq, settings: {url: %q}}\n", servertest.RabbitMQ(t))
		},
		"postgres": func(t testing.TB) string {
			return fmt.Sprintf("queue: {type: postgres, settings: {dsn: %q}}\n", servertest.Postgres(t))
		},
		"sqs": func(t testing.TB) string {
			return fmt.Sprintf("queue: {type: sqs, settings: {url: %q, region: us-east-1, access_key_id: k, secret_access_key: s, wait: 1s}}\n", servertest.SQS(t).Queue(t, nil))
		},
	})
	stores := available(b, map[string]func(testing.TB) string{
		"local": func(testing.TB) string { return "blob_store: {type: local}\n" },
		"s3":    func(t testing.TB) string { return bucketYAML(t, servertest.S3(t)) },
		"gcs": func(t testing.TB) string {
			s := servertest.GCS(t)
			return fmt.Sprintf("blob_store: {type: gcs, settings: {bucket: %q, endpoint: %q}}\n", s.Bucket(t), s.Endpoint)
		},
	})
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv(asProgram, "1")
	fmt.Println()
	cfg := bench.Config{Program: exe, Dir: b.TempDir(), Events: number(b, "EVENTS", 4_000_000), Rounds: number(b, "ROUNDS", 3),
		Only: []string{"pairs"}, Configs: pairFiles(b, queues, stores)}
	if err := bench.Run(b.Context(), cfg, os.Stdout); err != nil {
		b.Error(err)
	}
}

// bucketYAML is the YAML of a new bucket.
func bucketYAML(t testing.TB, s *servertest.S3Server) string {
	return fmt.Sprintf("blob_store: {type: s3, settings: {bucket: %q, endpoint: %q, region: %q, path_style: true, access_key_id: %q, secret_access_key: %q}}\n",
		s.Bucket(t), s.Endpoint, s.Region, s.AccessKeyID, s.SecretAccessKey)
}

// available gives the YAML of those that can be had, and says which cannot.
func available(b *testing.B, all map[string]func(testing.TB) string) map[string]string {
	b.Helper()
	found := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p := &probe{TB: b}
		done := make(chan struct{})
		go func() { // as what is missing ends the goroutine
			defer close(done)
			found[name] = all[name](p)
		}()
		<-done
		if p.missing != "" {
			delete(found, name)
			fmt.Fprintf(os.Stdout, "missing: %s: %s\n", name, p.missing)
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
	dir := b.TempDir()
	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		for _, store := range slices.Sorted(maps.Keys(stores)) {
			if queue == "local" && store == "local" {
				continue
			}
			file := filepath.Join(dir, queue+" × "+store+".yaml")
			if err := os.WriteFile(file, []byte(queues[queue]+stores[store]), 0o600); err != nil {
				b.Fatal(err)
			}
			files = append(files, file)
		}
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
