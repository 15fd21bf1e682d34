package local

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func openIn(t *testing.T, dir string) *store {
	t.Helper()
	s, err := Open(t.Context(), Config{Dir: dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*store)
}

// openNew makes the store's folder too, with its missing parent.
func openNew(t *testing.T) *store { return openIn(t, filepath.Join(t.TempDir(), "data", "blobs")) }

func TestStore(t *testing.T) {
	blobstoretest.Run(t, func(t *testing.T) blobstore.Store { return openNew(t) })
	blobstoretest.RunFiles(t, func(t *testing.T) blobstore.FilePutter { return openNew(t) })
	blobstoretest.RunDurable(t, func(t *testing.T) func() blobstore.Store {
		dir := t.TempDir()
		return func() blobstore.Store { return openIn(t, dir) }
	})
}

func TestFaultyFilesKeepsThePromises(t *testing.T) {
	blobstoretest.RunFiles(t, func(t *testing.T) blobstore.FilePutter {
		return blobstoretest.NewFaultyFiles(openNew(t))
	})
}

func TestPutFileFromAnotherFileSystemCopies(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "blobs")
	if err != nil {
		other = t.TempDir() // no second file system here: then it is a link, and the promises are the same
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(other); err != nil {
			t.Error(err)
		}
	})
	s := openIn(t, filepath.Join(other, "blobs"))
	name := filepath.Join(t.TempDir(), "batch")
	if err := os.WriteFile(name, []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.PutFile(t.Context(), "1/a", name); err != nil {
		t.Fatal(err)
	}
	if got := content(t, s, "1/a"); got != "rows" {
		t.Errorf("got %q, want %q", got, "rows")
	}
	wantFiles(t, s, "1/a")
}

func TestNothingIsLeftBehind(t *testing.T) {
	s := openNew(t)
	name := filepath.Join(t.TempDir(), "batch")
	if err := os.WriteFile(name, []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.PutFile(t.Context(), "1/events/a", name); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "1/events/b", strings.NewReader("rows")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(t.Context(), "1/events/a/b", strings.NewReader("rows")); err == nil {
		t.Error("a key below a blob: got no error")
	}
	if err := s.Put(t.Context(), "1/events", strings.NewReader("rows")); err == nil {
		t.Error("a key that is a folder of blobs: got no error")
	}
	wantFiles(t, s, "1/events/a", "1/events/b")
	for _, key := range []string{"1/events/a", "1/events/b"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles(t, s)
	if _, err := os.Stat(filepath.Join(s.dir, "1")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder 1: got %v, want it removed with its last blob", err)
	}
}

func TestOpenRemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	openIn(t, dir)
	old, young := filepath.Join(dir, temps, "old"), filepath.Join(dir, temps, "young")
	for _, name := range []string{old, young} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * leftOver)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, openIn(t, dir), temps+"/young")
}

func TestLinksCannotLeaveTheFolder(t *testing.T) {
	outside, s := t.TempDir(), openNew(t)
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(s.dir, "1")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "1/a", strings.NewReader("rows")); err == nil {
		t.Error("put through a link: got no error")
	}
	if _, err := s.Get(t.Context(), "1/secret"); err == nil {
		t.Error("get through a link: got no error")
	}
	if err := s.Delete(t.Context(), "1/secret"); err == nil {
		t.Error("delete through a link: got no error")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside: got %d files and %v, want the one", len(entries), err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{Dir: file}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "open blob folder "+file) {
		t.Errorf("got %v, want an error that names the folder", err)
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := openNew(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), "a")
	for _, err := range []error{err, s.Put(t.Context(), "a", strings.NewReader("")), s.Delete(t.Context(), "a")} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("got %v, want fault.Closed", err)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: got %v, want no mistake", err)
	}
	if err := (Config{}).Validate(); err == nil {
		t.Error("no folder: got no mistake")
	}
}

func content(t *testing.T, s blobstore.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantFiles compares the files below the store's folder with names.
func wantFiles(t *testing.T, s *store, names ...string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(s.dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(s.dir, name) // both begin with s.dir
			got = append(got, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil || strings.Join(got, "|") != strings.Join(names, "|") {
		t.Errorf("files: got %q and %v, want %q", got, err, names)
	}
}
