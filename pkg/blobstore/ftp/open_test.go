package ftp

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func open(t *testing.T, c Config) (blobstore.Store, error) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return s, err
}

func write(t *testing.T, text string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	explicit, plain := servertest.StartFTP(t, tlsExplicit), servertest.StartFTP(t, tlsNone)
	good, bare := settings(t, explicit), settings(t, plain)
	for _, tt := range []struct {
		name   string
		base   Config
		change func(c *Config)
		want   string
	}{
		{"a wrong password", good, func(c *Config) { c.Password = "wr0ng-s3cret" }, `user: "` + good.User + `" is refused with this password`},
		{"a user who is not let in", good, func(c *Config) { c.User = "nobody-here" }, `user: "nobody-here" is refused`},
		{"a certificate that nobody knows", good, func(c *Config) { c.CAFile = "" }, "tls: the server's certificate is not good for 127.0.0.1"},
		{"a certificate of another host", good, func(c *Config) { c.Host = "localhost" }, "tls: the server's certificate is not good for localhost"},
		{"a file without certificates", good, func(c *Config) { c.CAFile = write(t, "none") }, "ca_file: "},
		{"no file of certificates", good, func(c *Config) { c.CAFile = filepath.Join(t.TempDir(), "none") }, "ca_file: open"},
		{"a server that wants TLS", good, func(c *Config) { c.TLS, c.CAFile = tlsNone, "" }, "tls: the server refuses to go on without it"},
		{"a server that begins without TLS", good, func(c *Config) { c.TLS = tlsImplicit }, "tls: the server does not begin with TLS"},
		{"a server without TLS", bare, func(c *Config) { c.TLS, c.TLSSkipVerify = tlsExplicit, true }, "tls: the server does not know it"},
		{"no such folder", good, func(c *Config) { c.Directory += "/none" }, "directory: there is no folder"},
		{"a folder that is a file", good, func(c *Config) { c.Directory = "/etc/passwd" }, "directory: there is no folder"},
		{"nobody listens", good, func(c *Config) { c.Port = servertest.FreePort(t) }, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.base
			tt.change(&c)
			_, err := open(t, c)
			if err == nil {
				t.Fatal("it opens")
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "open "+c.server().URL("ftp")+": ") {
				t.Errorf("got %v, want an error that says %q", err, tt.want)
			}
			if strings.Contains(err.Error(), c.Password.Reveal()) {
				t.Errorf("the password is in the error %v", err)
			}
			if fault.Of(err) != fault.Internal {
				t.Errorf("got kind %v, want internal", fault.Of(err))
			}
		})
	}
}

func TestAFolderBelowTheUsersOwn(t *testing.T) {
	c := settings(t, servertest.StartFTP(t, tlsNone))
	whole := c.Directory
	c.Directory = path.Base(whole)
	store, err := open(t, c)
	if err != nil {
		t.Fatal(err)
	}
	replaces(t, store)
	c.Directory = whole
	if store, err = open(t, c); err != nil {
		t.Fatal(err)
	}
	if r, err := store.Get(t.Context(), "1/a"); err != nil {
		t.Error(err)
	} else if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestACertificateThatIsNotLookedAt(t *testing.T) {
	c := settings(t, servertest.StartFTP(t, tlsExplicit))
	c.CAFile, c.TLSSkipVerify = "", true
	store, err := open(t, c)
	if err != nil {
		t.Fatal(err)
	}
	replaces(t, store)
}

// A server says something too, as new TLS sessions, which a client that only sends does not read. What lies unread when it closes its connection
// must not make TCP throw away the end of what it has sent.
func TestTheEndOfAnUploadIsNotLost(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()      //nolint:errcheck // nobody is left
	const size = 1 << 20 // of which the second half waits on the client's side
	sent, closed := make(chan struct{}), make(chan struct{})
	got := make(chan error, 1)
	go func() {
		got <- func() error {
			raw, err := l.Accept()
			if err != nil {
				return err
			}
			if err := raw.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
				return err
			}
			c := tls.Server(raw, &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS13})
			if err := c.Handshake(); err != nil {
				return err
			}
			n, err := io.CopyN(io.Discard, c, size/2)
			if err != nil {
				return err
			}
			if _, err := c.Write([]byte("sessions")); err != nil {
				return err
			}
			<-sent
			select {
			case <-closed: // the client has not waited
			case <-time.After(100 * time.Millisecond):
			}
			more, err := io.Copy(io.Discard, c)
			if err == nil && n+more != size {
				err = io.ErrUnexpectedEOF
			}
			return errors.Join(err, c.Close())
		}()
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.(*net.TCPConn).SetWriteBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	c := secured{tls.Client(raw, &tls.Config{InsecureSkipVerify: true})} //nolint:gosec // it is ours
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	close(sent)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	close(closed)
	if err := <-got; err != nil {
		t.Errorf("the server got %v, want all of the upload", err)
	}
}

func TestBusy(t *testing.T) {
	for code, want := range map[int]bool{421: true, 450: true, 452: true, 425: false, 426: false, 530: false, 550: false} {
		if got := busy(errors.Join(errors.New("put"), &textproto.Error{Code: code})); got != want {
			t.Errorf("%d: got %t, want %t", code, got, want)
		}
	}
	if busy(io.EOF) {
		t.Error("a connection that is cut: got busy")
	}
}

func TestConfig(t *testing.T) {
	good := DefaultConfig()
	good.Host, good.User, good.Password = "h", "u", "pw"
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		want   string // mistakes, joined by newlines
	}{
		{"TLS", func(*Config) {}, ""},
		{"no TLS", func(c *Config) { c.TLS = tlsNone }, ""},
		{"an own certificate", func(c *Config) { c.TLS, c.CAFile = tlsImplicit, "ca.pem" }, ""},
		{"another TLS", func(c *Config) { c.TLS = "yes" }, `tls: "yes" is none of explicit, implicit and none`},
		{"a certificate that is not looked at", func(c *Config) { c.CAFile, c.TLSSkipVerify = "ca.pem", true }, "ca_file: means nothing with tls_skip_verify"},
		{"a certificate without TLS", func(c *Config) { c.TLS, c.CAFile = tlsNone, "ca.pem" }, "tls: with none, ca_file and tls_skip_verify mean nothing"},
		{"a password on two lines", func(c *Config) { c.Password = "a\r\nDELE s3cret" }, "password: FTP has none with the end of a line in it"},
		{"nothing", func(c *Config) { *c = DefaultConfig() }, "host: \"\" is not the name or address of a server\nuser: must be given, on one line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	for kind, want := range map[string]string{tlsExplicit: "h:21", tlsNone: "h:21", tlsImplicit: "h:990"} {
		good.TLS = kind
		if got := good.server().HostPort(); got != want {
			t.Errorf("%s: got %s, want %s", kind, got, want)
		}
	}
}
