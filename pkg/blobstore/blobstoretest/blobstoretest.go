// Package blobstoretest holds the drivers of blob stores to their port's promises.
package blobstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Run tests the store that open opens. Each subtest has the words of the promise that it checks and an empty store of its
// own, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) blobstore.Store) {
	for _, tt := range []struct {
		promise string
		check   func(t *testing.T, s blobstore.Store)
	}{
		{"keeps immutable blobs under slash-separated keys", checkKeys},
		{"keys are made of letters, digits, '_', '-', '.', space and '/'", checkBadKeys},
		{"Safe for concurrent use", checkConcurrent},
		{"Put stores r's bytes under key", checkPut},
		{"Put replaces what was there", checkReplace},
		{"The blob appears whole or not at all", checkWhole},
		{"a reader that fails leaves nothing new", checkFailingReader},
		{"a Put whose ctx ends leaves nothing new", checkEndedPut},
		{"Get opens the blob under key, or fault.NotFound", checkGet},
		{"a blob that is open stays whole when it is replaced or deleted", checkOpenBlob},
		{"Delete removes the blob under key", checkDelete},
		{"Deleting an absent blob is not an error", checkDeleteAbsent},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			tt.check(t, started(t, open(t)))
		})
	}
}

// RunDurable tests that blobs outlive the store. fresh returns what opens one new, empty place again and again.
func RunDurable(t *testing.T, fresh func(t *testing.T) (open func() blobstore.Store)) {
	t.Run("Put is durable when it returns", func(t *testing.T) {
		open := fresh(t)
		first := started(t, open())
		put(t, first, "1/events/a", "rows")
		// The first store is not closed, as after a crash.
		want(t, started(t, open()), "1/events/a", "rows")
	})
	t.Run("Blobs stay when the store is closed", func(t *testing.T) {
		open := fresh(t)
		s := open()
		put(t, s, "1/events/a", "rows")
		put(t, s, "1/events/b", "gone")
		remove(t, s, "1/events/b")
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		s = started(t, open())
		want(t, s, "1/events/a", "rows")
		wantNone(t, s, "1/events/b")
	})
}

// RunFiles tests a store that takes files in.
func RunFiles(t *testing.T, open func(t *testing.T) blobstore.FilePutter) {
	for _, tt := range []struct {
		promise string
		check   func(t *testing.T, s blobstore.FilePutter, name string)
	}{
		{"PutFile links the synced file name under key", func(t *testing.T, s blobstore.FilePutter, name string) {
			putFile(t, s, "1/events/a", name)
			want(t, s, "1/events/a", "rows")
		}},
		{"PutFile has Put's promises", func(t *testing.T, s blobstore.FilePutter, name string) {
			put(t, s, "1/events/a", "earlier")
			putFile(t, s, "1/events/a", name)
			want(t, s, "1/events/a", "rows")
			if err := s.PutFile(t.Context(), "../a", name); !errors.Is(err, fault.Invalid) {
				t.Errorf("bad key: got %v, want fault.Invalid", err)
			}
			if err := s.PutFile(t.Context(), "1/events/none", name+".none"); err == nil {
				t.Error("a file that is not there: got no error")
			}
			wantNone(t, s, "1/events/none")
		}},
		{"the old name stays until the caller removes it", func(t *testing.T, s blobstore.FilePutter, name string) {
			putFile(t, s, "1/events/a", name)
			wantFile(t, name, "rows")
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
			want(t, s, "1/events/a", "rows")
		}},
		{"Calling it again with the same file and key leaves the blob as it is", func(t *testing.T, s blobstore.FilePutter, name string) {
			for range 3 {
				putFile(t, s, "1/events/a", name)
			}
			want(t, s, "1/events/a", "rows")
			wantFile(t, name, "rows")
		}},
		{"Deleting the blob leaves the old name", func(t *testing.T, s blobstore.FilePutter, name string) {
			putFile(t, s, "1/events/a", name)
			remove(t, s, "1/events/a")
			wantNone(t, s, "1/events/a")
			wantFile(t, name, "rows")
		}},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			s := open(t)
			started(t, s)
			name := filepath.Join(t.TempDir(), "batch.ndjson")
			if err := os.WriteFile(name, []byte("rows"), 0o600); err != nil {
				t.Fatal(err)
			}
			tt.check(t, s, name)
		})
	}
}

func checkKeys(t *testing.T, s blobstore.Store) {
	keys := []string{
		"a", "B", "0", "1/events/01J8Z3V0000000000000000000.ndjson", "1/main.my table-2/x_y", "a.", ".a", "a../..b",
		strings.Repeat("k", blobstore.MaxPart),
	}
	for _, key := range keys {
		put(t, s, key, "blob of "+key)
	}
	for _, key := range keys {
		want(t, s, key, "blob of "+key)
	}
}

func checkBadKeys(t *testing.T, s blobstore.Store) {
	put(t, s, "x", "in the way")
	for _, key := range []string{"", "/x", "x/", "a//b", ".", "..", "../x", "a/../x", "a/./b", `a\b`, "a:b", "~tmp", "ä", "a\x00"} {
		if err := s.Put(t.Context(), key, strings.NewReader("blob")); !errors.Is(err, fault.Invalid) {
			t.Errorf("Put(%q): got %v, want fault.Invalid", key, err)
		}
		if _, err := s.Get(t.Context(), key); !errors.Is(err, fault.Invalid) {
			t.Errorf("Get(%q): got %v, want fault.Invalid", key, err)
		}
		if err := s.Delete(t.Context(), key); !errors.Is(err, fault.Invalid) {
			t.Errorf("Delete(%q): got %v, want fault.Invalid", key, err)
		}
	}
	want(t, s, "x", "in the way")
}

// checkConcurrent puts and deletes neighbours, so that what a driver tidies on the way is needed at the same time.
func checkConcurrent(t *testing.T, s blobstore.Store) {
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 25 {
				key := fmt.Sprintf("%d/table/%d-%d", worker%2, worker, i)
				if err := s.Put(t.Context(), key, strings.NewReader(key)); err != nil {
					t.Errorf("put: %v", err)
				}
				if got, err := read(t.Context(), s, key); err != nil || got != key {
					t.Errorf("get %s: got %q and %v", key, got, err)
				}
				if err := s.Delete(t.Context(), key); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func checkPut(t *testing.T, s blobstore.Store) {
	for name, blob := range map[string]string{
		"empty": "", "one byte": "x", "binary": "\x00\xff\r\n\x1a", "large": strings.Repeat("0123456789abcdef", 300_000),
	} {
		if err := s.Put(t.Context(), name, iotest.HalfReader(strings.NewReader(blob))); err != nil {
			t.Fatalf("put %s: %v", name, err)
		}
		want(t, s, name, blob)
	}
}

func checkReplace(t *testing.T, s blobstore.Store) {
	put(t, s, "1/a", "the first, which is longer")
	put(t, s, "1/a", "the second")
	want(t, s, "1/a", "the second")
}

// checkWhole looks at a blob while it is put again and again.
func checkWhole(t *testing.T, s blobstore.Store) {
	const size = 200_000
	blobs := [2]string{strings.Repeat("a", size), strings.Repeat("b", size)}
	put(t, s, "1/a", blobs[0])
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		for i := range 50 {
			if err := s.Put(t.Context(), "1/a", strings.NewReader(blobs[i%2])); err != nil {
				t.Errorf("put: %v", err)
			}
		}
	})
	for ctx.Err() == nil {
		got, err := read(t.Context(), s, "1/a")
		if err != nil || got != blobs[0] && got != blobs[1] {
			t.Errorf("got %d bytes and %v, want one of the two blobs of %d", len(got), err, size)
		}
	}
	wg.Wait()
}

func checkFailingReader(t *testing.T, s blobstore.Store) {
	broken := errors.New("broken")
	failing := func() io.Reader {
		return io.MultiReader(bytes.NewReader(make([]byte, 100_000)), iotest.ErrReader(broken))
	}
	if err := s.Put(t.Context(), "1/a", failing()); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
	wantNone(t, s, "1/a")
	put(t, s, "1/a", "rows")
	if err := s.Put(t.Context(), "1/a", failing()); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
	want(t, s, "1/a", "rows")
}

func checkEndedPut(t *testing.T, s blobstore.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	half := io.MultiReader(strings.NewReader("half"), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, nil
	}), strings.NewReader("other half"))
	if err := s.Put(ctx, "1/a", half); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context canceled", err)
	}
	wantNone(t, s, "1/a")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func checkGet(t *testing.T, s blobstore.Store) {
	wantNone(t, s, "1/a")
	put(t, s, "1/a", "rows")
	want(t, s, "1/a", "rows")
	want(t, s, "1/a", "rows")
	wantNone(t, s, "1")
	wantNone(t, s, "1/a/b")
	wantNone(t, s, "1/b")
}

func checkOpenBlob(t *testing.T, s blobstore.Store) {
	for _, tt := range []struct {
		name   string
		change func()
	}{
		{"replaced", func() { put(t, s, "1/a", "other") }},
		{"deleted", func() { remove(t, s, "1/a") }},
	} {
		put(t, s, "1/a", "rows")
		r, err := s.Get(t.Context(), "1/a")
		if err != nil {
			t.Fatalf("get: %v", err)
		}
		tt.change()
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(got) != "rows" {
			t.Errorf("%s while it is open: got %q and %v, want %q", tt.name, got, err, "rows")
		}
	}
}

func checkDelete(t *testing.T, s blobstore.Store) {
	put(t, s, "1/a", "rows")
	put(t, s, "1/b", "rows")
	remove(t, s, "1/a")
	wantNone(t, s, "1/a")
	want(t, s, "1/b", "rows")
	put(t, s, "1/a", "new rows")
	want(t, s, "1/a", "new rows")
}

func checkDeleteAbsent(t *testing.T, s blobstore.Store) {
	remove(t, s, "never/was")
	put(t, s, "1/a", "rows")
	remove(t, s, "1/a")
	remove(t, s, "1/a")
	put(t, s, "2/a", "rows")
	remove(t, s, "2")
	remove(t, s, "2/a/b")
	want(t, s, "2/a", "rows")
}

// started closes s when the test ends.
func started(t *testing.T, s blobstore.Store) blobstore.Store {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func put(t *testing.T, s blobstore.Store, key, blob string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(blob)); err != nil {
		t.Fatalf("put: %v", err)
	}
}

func putFile(t *testing.T, s blobstore.FilePutter, key, name string) {
	t.Helper()
	if err := s.PutFile(t.Context(), key, name); err != nil {
		t.Fatalf("put file: %v", err)
	}
}

func remove(t *testing.T, s blobstore.Store, key string) {
	t.Helper()
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

func read(ctx context.Context, s blobstore.Store, key string) (string, error) {
	r, err := s.Get(ctx, key)
	if err != nil {
		return "", err
	}
	blob, err := io.ReadAll(r)
	return string(blob), errors.Join(err, r.Close())
}

func want(t *testing.T, s blobstore.Store, key, blob string) {
	t.Helper()
	got, err := read(t.Context(), s, key)
	if err != nil || got != blob {
		t.Errorf("get %s: got %.40q (%d bytes) and %v, want %.40q (%d bytes)", key, got, len(got), err, blob, len(blob))
	}
}

func wantNone(t *testing.T, s blobstore.Store, key string) {
	t.Helper()
	if got, err := read(t.Context(), s, key); !errors.Is(err, fault.NotFound) {
		t.Errorf("get %s: got %.40q and %v, want fault.NotFound", key, got, err)
	}
}

func wantFile(t *testing.T, name, content string) {
	t.Helper()
	if got, err := os.ReadFile(name); err != nil || string(got) != content {
		t.Errorf("read %s: got %q and %v, want %q", filepath.Base(name), got, err, content)
	}
}
