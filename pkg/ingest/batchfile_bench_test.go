package ingest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/durable"
)

// BenchmarkBatchFile writes and syncs groups of 2,500 bytes: with zeros ahead, and on a file that only grows.
func BenchmarkBatchFile(b *testing.B) {
	group := make([]byte, 2500)
	for i := range group {
		group[i] = 'x'
	}
	b.Run("ahead", func(b *testing.B) {
		f, err := openBatchFile(filepath.Join(b.TempDir(), "f"), 0)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // of a benchmark
		for b.Loop() {
			if _, err := f.Write(group); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("grows", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "f"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // of a benchmark
		for b.Loop() {
			if _, err := f.Write(group); err != nil {
				b.Fatal(err)
			}
			if err := durable.Data(f); err != nil {
				b.Fatal(err)
			}
		}
	})
}
