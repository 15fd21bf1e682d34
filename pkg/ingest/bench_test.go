package ingest

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func benchWriter(b *testing.B) (*Writer, schema.Table) {
	b.Helper()
	cfg := DefaultConfig()
	cfg.Dir = b.TempDir()
	w, err := Open(cfg, rowid.NewSource(), newMemoryKeys(), slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		b.Fatal(err)
	}
	table, err := schema.ParseTable("events")
	if err != nil {
		b.Fatal(err)
	}
	return w, table
}

// BenchmarkInsertParallel measures durable one-row inserts of 32 clients.
func BenchmarkInsertParallel(b *testing.B) {
	for _, ack := range []Ack{AckDisk, AckMemory} {
		b.Run(string(ack), func(b *testing.B) {
			w, table := benchWriter(b)
			b.SetParallelism(16)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				row := `{"id":12345,"ts":"2026-01-02T03:04:05Z","user":{"id":991,"name":"Ann Lee","plan":"pro"},"type":"click","value":12.5,"ok":true,"tags":["t1"]}`
				body := strings.NewReader(row)
				for pb.Next() {
					body.Reset(row)
					if _, err := w.Insert(b.Context(), "1", table, body, Options{Ack: ack}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkInsertBulk measures durable inserts of 8 MB NDJSON bodies, one after the other.
func BenchmarkInsertBulk(b *testing.B) {
	w, table := benchWriter(b)
	var body bytes.Buffer
	for i := 0; body.Len() < 8<<20; i++ {
		fmt.Fprintf(&body, `{"id":%d,"ts":"2026-01-02T03:04:05Z","user":{"id":%d,"name":"Ann Lee","plan":"pro"},"type":"click","value":%d.5,"ok":true,"tags":["t%d"]}`+"\n", i, i*7, i%100, i%50)
	}
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Insert(b.Context(), "1", table, bytes.NewReader(body.Bytes()), Options{Ack: AckDisk}); err != nil {
			b.Fatal(err)
		}
	}
}
