package sftp

import (
	"errors"
	"io"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkg/sftp"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
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

func TestFaultsOfTheNetwork(t *testing.T) {
	s := servertest.SFTP(t)
	fileservertest.RunNetwork(t, func(t *testing.T) fileservertest.Place { return place(t, s) })
}

func TestFolder(t *testing.T) {
	s := servertest.StartSFTP(t)
	fileservertest.RunFolder(t, func(t *testing.T) fileservertest.Place { return place(t, s) })
}

func TestTheServerRestarts(t *testing.T) {
	s := servertest.StartSFTP(t)
	fileservertest.RunRestart(t, place(t, s), s)
}

// ProFTPD is a second engine: it logs in by password, and has not all of OpenSSH's extensions.
func TestStoreOnProFTPD(t *testing.T) {
	s := servertest.StartOtherSFTP(t)
	fresh := func(t *testing.T) fileservertest.Place { return place(t, s) }
	fileservertest.RunSuite(t, fresh)
	fileservertest.RunFolder(t, fresh)
}

func TestAServerWithoutExtensions(t *testing.T) {
	s := servertest.StartOtherSFTP(t, "SFTPExtensions -posixRename -fsync")
	replaces(t, place(t, s).Open(t))
}

// replaces replaces a blob.
func replaces(t *testing.T, s blobstore.Store) {
	t.Helper()
	for _, blob := range []string{"the first, which is longer", "the second"} {
		if err := s.Put(t.Context(), "1/a", strings.NewReader(blob)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, s, "1/a"); got != blob {
			t.Errorf("got %q, want %q", got, blob)
		}
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

// OpenSSH's server says what it does. It syncs the blob and, though the protocol does not speak of that, folders.
func TestBlobsAndFoldersAreSynced(t *testing.T) {
	cmd, log := servertest.SFTPProgram(t)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	client, err := sftp.NewClientPipe(out, in)
	if err != nil {
		t.Fatal(err)
	}
	s, dir := &session{sftp: client}, t.TempDir()
	size, err := s.Create(filepath.Join(dir, "a"), strings.NewReader("rows"))
	if err != nil || size != 4 {
		t.Fatalf("got %d bytes and %v, want 4", size, err)
	}
	if err := s.Sync([]string{dir, filepath.Join(dir, "none"), filepath.Dir(dir)}); err != nil {
		t.Error(err)
	}
	if err := errors.Join(client.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	if got := strings.Count(log.String(), "fsync \""); got != 3 {
		t.Errorf("got %d syncs, want those of the blob and two folders: %s", got, log)
	}
}
