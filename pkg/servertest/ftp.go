package servertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
)

// The user of servers of files that know one of their own.
const (
	ftpUser     = "scratch"
	ftpPassword = "s3cret pass"
	ftpHash     = "$6$scratchdata$wUHO8YaU8.MEPKpdY9WjIdOUMvVcs.UDuxxi8KO607RFrVhNZ5ZfkKivLoAqlCMGpRCjYbY7BN8v58iBfirOD/"
)

// FTPServer is a server of files that speaks FTP.
type FTPServer struct {
	*FileServer
	TLS    string // explicit, implicit or none
	CAFile string // a certificate that the server's is checked by; empty when there is none to know
}

// FTP gives a server, which other tests may use too: make a folder of your own. The environment names one as
// ftp://USER:PASSWORD@HOST:PORT/FOLDER?tls=explicit&ca_file=FILE.
func FTP(t testing.TB) *FTPServer {
	t.Helper()
	given, ok := Given("FTP")
	if !ok {
		return StartFTP(t, "explicit")
	}
	s, query := givenFileServer(t, "FTP", given, 21)
	f := &FTPServer{FileServer: s, TLS: query.Get("tls"), CAFile: query.Get("ca_file")}
	if f.TLS == "" {
		f.TLS = "explicit"
	}
	return f
}

// StartFTP starts a ProFTPD, which the test may stop and start again. Its TLS is explicit, implicit or none. More lines of its
// configuration may follow.
func StartFTP(t testing.TB, secured string, lines ...string) *FTPServer {
	t.Helper()
	s := &FTPServer{FileServer: newFileServer(t, "proftpd"), TLS: secured}
	if secured != "none" {
		cert, key := certificate(t)
		s.CAFile = s.put(t, "cert.pem", cert)
		lines = append([]string{"LoadModule mod_tls.c", "TLSEngine on", "TLSRequired on", "TLSRSACertificateFile " + s.CAFile,
			"TLSRSACertificateKeyFile " + s.put(t, "key.pem", key), "TLSLog " + filepath.Join(s.dir, "tls.log")}, lines...)
	}
	if secured == "implicit" {
		lines = append(lines, "TLSOptions UseImplicitSSL")
	}
	if !slices.Contains(lines, "AllowOverwrite off") {
		lines = append(lines, "AllowOverwrite on")
	}
	s.proftpd(t, lines...)
	s.Start(t)
	return s
}

// proftpd makes s a ProFTPD, with a user of its own who is none of this machine.
func (s *FileServer) proftpd(t testing.TB, lines ...string) {
	t.Helper()
	path, u := program(t, "proftpd", "/usr/sbin/proftpd"), runner(t)
	group, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	s.User, s.Password = ftpUser, ftpPassword
	users := s.put(t, "users", fmt.Sprintf("%s:%s:%s:%s::%s:/bin/false\n", ftpUser, ftpHash, u.Uid, u.Gid, s.Local))
	conf := s.put(t, "proftpd.conf", strings.Join(append([]string{"ServerType standalone", "DefaultServer on", "DefaultAddress 127.0.0.1",
		"Port " + strconv.Itoa(s.Port), "UseIPv6 off", "UseReverseDNS off", "User " + u.Username, "Group " + group.Name, "Umask 022",
		"RequireValidShell off", "AuthOrder mod_auth_file.c", "AuthUserFile " + users, "PidFile " + filepath.Join(s.dir, "pid"),
		"ScoreboardFile " + filepath.Join(s.dir, "score"), "SystemLog " + filepath.Join(s.dir, "log"), "DelayEngine off", "ControlsEngine off",
		"WtmpLog off", "TransferLog none"}, lines...), "\n")+"\n")
	s.runs(t, path, "-n", "-c", conf)
}

// certificate makes one for the loopback that is signed by itself.
func certificate(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	signed, err1 := x509.CreateCertificate(rand.Reader, of, of, private.Public(), private)
	bare, err2 := x509.MarshalPKCS8PrivateKey(private)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bare}))
}

// Folder makes a folder and gives its whole name. It stays where it is: those of a server that was started here go with the
// test.
func (s *FTPServer) Folder(t testing.TB) string {
	t.Helper()
	var options []ftp.DialOption
	anyone := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nothing secret is said
	switch s.TLS {
	case "explicit":
		options = append(options, ftp.DialWithExplicitTLS(anyone))
	case "implicit":
		options = append(options, ftp.DialWithTLS(anyone))
	}
	c, err := ftp.Dial(s.Addr(), options...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit() //nolint:errcheck // all is said
	name := path.Join(s.root, rand.Text())
	if err := errors.Join(c.Login(s.User, s.Password), c.MakeDir(name)); err != nil {
		t.Fatalf("make the folder %s: %v", name, err)
	}
	return name
}
