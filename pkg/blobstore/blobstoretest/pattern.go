package blobstoretest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
)

// block is what a pattern repeats. Its length is a prime, so that no two parts of a blob are alike.
var block = sync.OnceValue(func() []byte {
	b := make([]byte, 65_537)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
})

// Pattern is a reader that gives Size bytes and holds none of them. It calls At before each read, with what it has given.
type Pattern struct {
	Size  int64
	At    func(given int64)
	given int64
}

// Read implements io.Reader.
func (p *Pattern) Read(b []byte) (int, error) {
	if p.At != nil {
		p.At(p.given)
	}
	if p.given == p.Size {
		return 0, io.EOF
	}
	from := block()
	from = from[p.given%int64(len(from)):]
	n := copy(b, from[:min(int64(len(from)), p.Size-p.given)])
	p.given += int64(n)
	return n, nil
}

// WantPattern reads the blob under key, which must be a pattern of size bytes.
func WantPattern(t *testing.T, s blobstore.Store, key string, size int64) {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	got, want := sha256.New(), sha256.New()
	n, err := io.Copy(got, r)
	if err := errors.Join(err, r.Close()); err != nil || n != size {
		t.Errorf("get %s: got %d bytes and %v, want %d", key, n, err, size)
	}
	if _, err := io.Copy(want, &Pattern{Size: size}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("get %s: the %d bytes are not what was put", key, size)
	}
}

// WantBounded puts a blob of size bytes under key and fails when the heap grows by more than bound meanwhile.
func WantBounded(t *testing.T, s blobstore.Store, key string, size int64, bound uint64) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // so that what is counted is in use
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, peak := m.HeapAlloc, m.HeapAlloc
	see := func(int64) {
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}
	if err := s.Put(t.Context(), key, &Pattern{Size: size, At: see}); err != nil {
		t.Fatal(err)
	}
	if grown := peak - before; grown > bound {
		t.Errorf("the heap grew by %d KiB for a blob of %d KiB, want %d KiB at most", grown>>10, size>>10, bound>>10)
	}
}
