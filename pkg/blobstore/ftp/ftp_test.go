package ftp

import (
	"path"
	"path/filepath"
	"testing"

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

func TestFaults(t *testing.T) {
	s := servertest.FTP(t)
	fileservertest.RunFaults(t, func(t *testing.T) fileservertest.Place { return place(t, s) })
}

func TestTheServerRestarts(t *testing.T) {
	s := servertest.StartFTP(t, "explicit")
	fileservertest.RunRestart(t, place(t, s), s)
}
