package servertest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// SFTPServer is a server of files that speaks SFTP.
type SFTPServer struct {
	*FileServer
	PrivateKey string // of the user; empty when it is of no use
	HostKey    string // as in a file of known hosts, without the names; empty when it is not known
}

// SFTP gives a server, which other tests may use too: make a folder of your own. The environment names one as
// sftp://USER:PASSWORD@HOST:PORT/FOLDER?host_key=KEY, and with a private_key.
func SFTP(t testing.TB) *SFTPServer {
	t.Helper()
	given, ok := Given("SFTP")
	if !ok {
		return StartSFTP(t)
	}
	s, query := givenFileServer(t, "SFTP", given, 22)
	return &SFTPServer{FileServer: s, PrivateKey: query.Get("private_key"), HostKey: query.Get("host_key")}
}

// StartSFTP starts an OpenSSH, which the test may stop and start again. It lets one user in, by a key.
func StartSFTP(t testing.TB) *SFTPServer {
	t.Helper()
	sshd := program(t, "/usr/sbin/sshd") // which must have its whole name
	s := newSFTP(t, "sftp")
	s.User = runner(t).Username
	var public string
	public, s.PrivateKey = sshKey(t)
	conf := s.put(t, "sshd.conf", strings.Join([]string{
		"Port " + strconv.Itoa(s.Port), "ListenAddress 127.0.0.1", "HostKey " + filepath.Join(s.dir, "host.key"), "PidFile none", "UsePAM no",
		"StrictModes no", "PasswordAuthentication no", "AuthorizedKeysFile " + s.put(t, "authorized", public),
		"Subsystem sftp internal-sftp", ""}, "\n"))
	s.runs(t, sshd, "-D", "-e", "-f", conf)
	s.Start(t)
	return s
}

// StartOtherSFTP starts ProFTPD's server of SFTP, a second engine. It lets one user in, by a password. More lines of its
// configuration may follow.
func StartOtherSFTP(t testing.TB, lines ...string) *SFTPServer {
	t.Helper()
	s := newSFTP(t, "proftpd")
	s.proftpd(t, append([]string{"LoadModule mod_sftp.c", "SFTPEngine on", "SFTPHostKey " + filepath.Join(s.dir, "host.key"),
		"SFTPAuthMethods password"}, lines...)...)
	s.Start(t)
	return s
}

// SFTPProgram gives OpenSSH's program that speaks SFTP, without SSH, and what it says that it does.
func SFTPProgram(t testing.TB) (*exec.Cmd, fmt.Stringer) {
	t.Helper()
	cmd, log := exec.Command(program(t, "/usr/lib/openssh/sftp-server"), "-e", "-l", "DEBUG1"), &tail{}
	cmd.Stderr = log
	return cmd, log
}

// newSFTP gives a server that has a host key.
func newSFTP(t testing.TB, name string) *SFTPServer {
	t.Helper()
	public, private := sshKey(t)
	s := &SFTPServer{FileServer: newFileServer(t, name), HostKey: strings.TrimSpace(public)}
	s.put(t, "host.key", private)
	return s
}

// sshKey makes a key, as OpenSSH writes its halves.
func sshKey(t testing.TB) (public, private string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	half, err1 := ssh.NewPublicKey(pub)
	whole, err2 := ssh.MarshalPrivateKey(key, "")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(half)), string(pem.EncodeToMemory(whole))
}

// Folder makes a folder and gives its whole name. It stays where it is: those of a server that was started here go with the
// test.
func (s *SFTPServer) Folder(t testing.TB) string {
	t.Helper()
	login := []ssh.AuthMethod{ssh.Password(s.Password)}
	if s.PrivateKey != "" {
		key, err := ssh.ParsePrivateKey([]byte(s.PrivateKey))
		if err != nil {
			t.Fatal(err)
		}
		login = []ssh.AuthMethod{ssh.PublicKeys(key)}
	}
	c, err := ssh.Dial("tcp", s.Addr(), &ssh.ClientConfig{User: s.User, Auth: login, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // all is said
	files, err := sftp.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	name := path.Join(s.root, rand.Text())
	if err := files.Mkdir(name); err != nil {
		t.Fatalf("make the folder %s: %v", name, err)
	}
	return name
}
