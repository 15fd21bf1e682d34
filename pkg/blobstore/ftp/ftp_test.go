package ftp

import (
	"errors"
	"io"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver/fileservertest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// settings are those of a new folder on s.
func settings(t testing.TB, s *servertest.FTPServer) Config {
	t.Helper()
	c := DefaultConfig()
	c.Host, c.Port, c.User, c.Password = s.Host, s.Port, s.User, secret.String(s.Password)
	c.TLS, c.CAFile, c.TLSSkipVerify = s.TLS, s.CAFile, s.TLS != tlsNone && s.CAFile == ""
	c.Directory = s.Folder(t)
	return c
}

// place is a new folder on s.
func place(t testing.TB, s *servertest.FTPServer) fileservertest.Place {
	t.Helper()
	c := settings(t, s)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	server, err := connect(c)
	if err != nil {
		t.Fatal(err)
	}
	p := fileservertest.Place{Config: server, Addr: s.Addr()}
	if s.Local != "" {
		p.Local = filepath.Join(s.Local, path.Base(c.Directory))
	}
	return p
}

func TestStore(t *testing.T) {
	s := servertest.FTP(t)
	fileservertest.RunSuite(t, func(t *testing.T) fileservertest.Place { return place(t, s) })
}

func TestFaultsOfTheNetwork(t *testing.T) {
	s := servertest.FTP(t)
	fileservertest.RunNetwork(t, func(t *testing.T) fileservertest.Place { return place(t, s) })
}

func TestFolder(t *testing.T) {
	s := servertest.StartFTP(t, tlsExplicit)
	fileservertest.RunFolder(t, func(t *testing.T) fileservertest.Place { return place(t, s) })
}

func TestTheServerRestarts(t *testing.T) {
	s := servertest.StartFTP(t, tlsExplicit)
	fileservertest.RunRestart(t, place(t, s), s)
}

// Without TLS the end of a connection looks as the end of a file does.
func TestWithoutTLS(t *testing.T) {
	s := servertest.StartFTP(t, tlsNone)
	fileservertest.RunNetwork(t, func(t *testing.T) fileservertest.Place { return place(t, s) })
}

func TestImplicitTLS(t *testing.T) {
	s := servertest.StartFTP(t, tlsImplicit)
	replaces(t, place(t, s).Open(t))
}

// Old servers tell what is in a folder for people, and know nothing of single files but their size.
func TestAServerWithoutFacts(t *testing.T) {
	s := servertest.StartFTP(t, tlsNone, "FactsAdvertise off")
	fresh := func(t *testing.T) fileservertest.Place { return place(t, s) }
	fileservertest.RunSuite(t, fresh)
	fileservertest.RunFolder(t, fresh)
}

func TestAServerThatDoesNotReplace(t *testing.T) {
	s := servertest.StartFTP(t, tlsNone, "AllowOverwrite off")
	replaces(t, place(t, s).Open(t))
}

// replaces replaces a blob.
func replaces(t *testing.T, s blobstore.Store) {
	t.Helper()
	for _, blob := range []string{"the first, which is longer", "the second"} {
		if err := s.Put(t.Context(), "1/a", strings.NewReader(blob)); err != nil {
			t.Fatal(err)
		}
		r, err := s.Get(t.Context(), "1/a")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(got) != blob {
			t.Errorf("got %q and %v, want %q", got, err, blob)
		}
	}
}
