package duckdb

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
)

// open opens an empty database in a folder of its own.
func open(t testing.TB) *Destination {
	t.Helper()
	cfg := DefaultConfig()
	cfg.File = filepath.Join(t.TempDir(), "data", "test.duckdb")
	return openWith(t, cfg)
}

func openWith(t testing.TB, cfg Config) *Destination {
	t.Helper()
	d, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d.(*Destination)
}

func TestConformance(t *testing.T) {
	for name, inMemory := range map[string]bool{"file": false, "in memory": true} {
		t.Run(name, func(t *testing.T) {
			destinationtest.Run(t, func(t *testing.T) destination.Destination {
				cfg := DefaultConfig()
				cfg.File, cfg.InMemory = filepath.Join(t.TempDir(), "test.duckdb"), inMemory
				return openWith(t, cfg)
			}, dialect())
		})
	}
}
