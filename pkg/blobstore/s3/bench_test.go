package s3

import (
	"io"
	"log/slog"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/blobstore/local"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// BenchmarkStore compares with the local store. Both are on this machine, so what it shows is what the client costs.
func BenchmarkStore(b *testing.B) {
	const size = 64 << 20
	near, err := local.Open(b.Context(), local.Config{Dir: b.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	far := open(b, settings(b, servertest.S3(b)))
	for _, s := range []struct {
		name  string
		store blobstore.Store
	}{{"local", near}, {"s3", far}} {
		b.Run("Put/"+s.name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if err := s.store.Put(b.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Get/"+s.name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				r, err := s.store.Get(b.Context(), "1/a")
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, r); err != nil || n != size {
					b.Fatalf("got %d bytes and %v", n, err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
