package sftp

import (
	"path"
	"path/filepath"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver/fileservertest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// settings are those of a new folder on s.
func settings(t testing.TB, s *servertest.SFTPServer) Config {
	t.Helper()
	c := DefaultConfig()
	c.Host, c.Port, c.User, c.Password = s.Host, s.Port, s.User, secret.String(s.Password)
	c.PrivateKey, c.HostKey, c.InsecureHostKey = secret.String(s.PrivateKey), s.HostKey, s.HostKey == ""
	c.Directory = s.Folder(t)
	return c
}

// place is a new folder on s.
func place(t testing.TB, s *servertest.SFTPServer) fileservertest.Place {
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
	s := servertest.SFTP(t)
	fileservertest.RunSuite(t, func(t *testing.T) fileservertest.Place { return place(t, s) })
}

func TestFaults(t *testing.T) {
	s := servertest.SFTP(t)
	fileservertest.RunFaults(t, func(t *testing.T) fileservertest.Place { return place(t, s) })
}

func TestTheServerRestarts(t *testing.T) {
	s := servertest.StartSFTP(t)
	fileservertest.RunRestart(t, place(t, s), s)
}
