package fileservertest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func checkNothingLeft(t *testing.T, p Place) {
	s := p.Open(t)
	broken := errors.New("broken")
	for range 2 {
		put(t, s, "1/events/a", "rows")
		put(t, s, "1/events/b", "rows")
	}
	for name, err := range map[string]error{
		"a reader that fails": s.Put(t.Context(), "1/events/c", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))),
		"a reader whose own source is cut": s.Put(t.Context(), "1/events/c",
			io.MultiReader(&blobstoretest.Pattern{Size: 3 << 20}, iotest.ErrReader(io.ErrUnexpectedEOF))),
		"a key below a blob":              s.Put(t.Context(), "1/events/a/b", strings.NewReader("rows")),
		"a key that is a folder of blobs": s.Put(t.Context(), "1/events", strings.NewReader("rows")),
	} {
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	wantBlob(t, s, "1/events/a", "rows")
	p.wantFiles(t, "1/events/a", "1/events/b")
	for _, key := range []string{"1/events/a", "1/events/b"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	p.wantFiles(t, []string{}...)
	if _, err := os.Stat(filepath.Join(p.Local, "1")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder 1: got %v, want it removed with its last blob", err)
	}
}

func checkLeftOvers(t *testing.T, p Place) {
	put(t, p.Open(t), "1/a", "rows")
	temps := filepath.Join(p.Local, "+tmp")
	now := time.Now()
	for name, age := range map[string]time.Duration{"old": 48 * time.Hour, "older": 24 * 400 * time.Hour, "young": time.Hour} {
		name = filepath.Join(temps, name)
		if err := os.WriteFile(name, []byte("half"), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	s := p.Open(t)
	p.wantFiles(t, "+tmp/young", "1/a")
	wantBlob(t, s, "1/a", "rows")
}

func checkFolderGone(t *testing.T, p Place) {
	s := p.Open(t)
	put(t, s, "1/a", "rows")
	away := p.Local + ".away"
	if err := os.Rename(p.Local, away); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "1/a")
	if err == nil {
		t.Error(errors.Join(errors.New("got a blob"), r.Close()))
	}
	for call, err := range map[string]error{"get": err, "delete": s.Delete(t.Context(), "1/a"), "put": s.Put(t.Context(), "1/b", strings.NewReader("rows"))} {
		if err == nil || fault.Of(err) != fault.Internal {
			t.Errorf("%s: got %v, want an error to try again", call, err)
		}
	}
	if err := os.Rename(away, p.Local); err != nil {
		t.Fatal(err)
	}
	wantBlob(t, s, "1/a", "rows")
}

func checkDenied(t *testing.T, p Place) {
	s := p.Open(t)
	put(t, s, "1/a", "rows")
	file := filepath.Join(p.Local, "1", "a")
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "1/a")
	if err == nil {
		t.Fatal(errors.Join(errors.New("got a blob"), r.Close()))
	}
	if fault.Of(err) != fault.Internal {
		t.Errorf("got %v, want an error to try again", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	wantBlob(t, s, "1/a", "rows")
}

func checkLarge(t *testing.T, p Place) {
	s := p.Open(t)
	const large = 64 << 20
	blobstoretest.WantBounded(t, s, "1/large", large, 8<<20)
	blobstoretest.WantPattern(t, s, "1/large", large)
}

func checkClosed(t *testing.T, p Place) {
	before := goleak.IgnoreCurrent()
	s, err := fileserver.Open(t.Context(), p.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "1/a", "rows")
	var all sync.WaitGroup
	for range 6 { // of which not all are kept
		all.Go(func() { wantBlob(t, s, "1/a", "rows") })
	}
	all.Wait()
	if r, err := s.Get(t.Context(), "1/a"); err != nil { // one that is closed before its end
		t.Error(err)
	} else if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
	_, err = s.Get(t.Context(), "1/a")
	for _, err := range []error{err, s.Put(t.Context(), "1/a", strings.NewReader("")), s.Delete(t.Context(), "1/a")} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("after Close: got %v, want fault.Closed", err)
		}
	}
}

func checkOpen(t *testing.T, p Place) {
	missing := p.Config
	missing.Directory = path.Join(p.Config.Directory, "missing")
	_, err := fileserver.Open(t.Context(), missing, slog.New(slog.DiscardHandler))
	if want := "directory: there is no folder"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want that %s", err, want)
	}
	n := NewNet(t)
	silent := p.Config
	silent.Network = n.Dial
	n.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := fileserver.Open(ctx, silent, slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent server: got %v, want the deadline exceeded", err)
	}
	if err := os.Chmod(p.Local, 0o555); err != nil {
		t.Fatal(err)
	}
	_, err = fileserver.Open(t.Context(), p.Config, slog.New(slog.DiscardHandler))
	if want := "cannot be written to"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want that it %s", err, want)
	}
}
