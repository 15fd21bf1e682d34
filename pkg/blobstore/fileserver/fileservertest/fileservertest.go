// Package fileservertest holds blob stores on servers of files to their promises, with real servers and a network that fails.
package fileservertest

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Place is a new, empty folder on a server.
type Place struct {
	Config fileserver.Config // opens a store in it
	Local  string            // the same folder on this machine; empty when it is on another
	Addr   string            // where the server takes logins
}

// Open opens a store at the place, which is closed when the test ends.
func (p Place) Open(t testing.TB) *fileserver.Store {
	t.Helper()
	s, err := fileserver.Open(t.Context(), p.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// through gives the place by way of a network that can fail.
func (p Place) through(t testing.TB) (Place, *Net) {
	n := NewNet(t)
	p.Config.Network = n.Dial
	return p, n
}

// RunSuite runs the suite of the port.
func RunSuite(t *testing.T, fresh func(t *testing.T) Place) {
	blobstoretest.Run(t, func(t *testing.T) blobstore.Store { return fresh(t).Open(t) })
	blobstoretest.RunDurable(t, func(t *testing.T) func() blobstore.Store {
		p := fresh(t)
		return func() blobstore.Store { return p.Open(t) }
	})
}

// check is a test of one promise.
type check struct {
	name string
	do   func(t *testing.T, p Place)
}

func run(t *testing.T, fresh func(t *testing.T) Place, checks []check) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.do(t, fresh(t)) })
	}
}

// RunNetwork tests what stores do when the network fails them.
func RunNetwork(t *testing.T, fresh func(t *testing.T) Place) {
	run(t, fresh, []check{
		{"a connection that is cut about a call", checkCutCalls},
		{"an upload that is cut", checkCutUpload},
		{"a download that is cut", checkCutDownload},
		{"a silent network", checkSilence},
		{"more calls than connections", checkFewConnections},
		{"a closed store has no connections", checkClosed},
	})
}

// RunFolder tests what stores do with what else may be in their folder, and happen to it. The folder is on this machine.
func RunFolder(t *testing.T, fresh func(t *testing.T) Place) {
	run(t, fresh, []check{
		{"nothing is left behind", checkNothingLeft},
		{"what others have left is removed when it is old", checkLeftOvers},
		{"a store whose folder is gone has not lost its blobs", checkFolderGone},
		{"a blob that is denied is not absent", checkDenied},
		{"a large blob goes in bounded memory", checkLarge},
		{"a folder that is missing or cannot be written to", checkOpen},
	})
}

func put(t *testing.T, s blobstore.Store, key, blob string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(blob)); err != nil {
		t.Fatal(err)
	}
}

// wantBlob compares a blob with want; an empty one must not be there.
func wantBlob(t *testing.T, s blobstore.Store, key, want string) {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if want == "" {
		if !errors.Is(err, fault.NotFound) {
			t.Errorf("get %s: got %v, want fault.NotFound", key, err)
		}
		return
	}
	if err != nil {
		t.Errorf("get %s: %v, want %q", key, err, want)
		return
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || string(got) != want {
		t.Errorf("get %s: got %.40q and %v, want %q", key, got, err, want)
	}
}

// wantFiles fails when there are temporary files, or other files than blobs of the keys, on a server of this machine.
func (p Place) wantFiles(t *testing.T, keys ...string) {
	t.Helper()
	if p.Local == "" {
		return
	}
	var got []string
	err := filepath.WalkDir(p.Local, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && (keys != nil || filepath.Base(filepath.Dir(name)) == "+tmp") {
			rel, _ := filepath.Rel(p.Local, name) // both begin with it
			got = append(got, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil || strings.Join(got, "|") != strings.Join(keys, "|") {
		t.Errorf("files: got %q and %v, want %q", got, err, keys)
	}
}

// Server is one that a test stops and starts again.
type Server interface {
	Stop()
	Crash()
	Start(t testing.TB)
}

// RunRestart tests a store at p whose server restarts.
func RunRestart(t *testing.T, p Place, server Server) {
	s := p.Open(t)
	for name, end := range map[string]func(){"stopped": server.Stop, "crashed": server.Crash} {
		put(t, s, "1/a", name)
		end()
		if _, err := s.Get(t.Context(), "1/a"); err == nil || !fault.Retryable(err) {
			t.Errorf("%s: got %v, want an error to try again", name, err)
		}
		server.Start(t)
		wantBlob(t, s, "1/a", name)
		put(t, s, "1/b", name)
	}
}
