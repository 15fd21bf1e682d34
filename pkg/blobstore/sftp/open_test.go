package sftp

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/secret"
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

// newKey makes a user's key.
func newKey(t *testing.T, passphrase string) (key secret.String, public ssh.PublicKey) {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err1 := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err1 = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	public, err2 := ssh.NewPublicKey(pub)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return secret.String(pem.EncodeToMemory(block)), public
}

func write(t *testing.T, text string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func hostLine(t *testing.T, c Config, key string) string {
	t.Helper()
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key)) //nolint:dogsled // the rest is for users' keys
	if err != nil {
		t.Fatal(err)
	}
	return knownhosts.Line([]string{knownhosts.Normalize(c.server().HostPort())}, parsed) + "\n"
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	byKey, byPassword := servertest.StartSFTP(t), servertest.StartOtherSFTP(t)
	good, other := settings(t, byKey), settings(t, byPassword)
	stranger, strangersHalf := newKey(t, "")
	for _, tt := range []struct {
		name   string
		base   Config
		change func(c *Config)
		want   string
	}{
		{"a key that is not let in", good, func(c *Config) { c.PrivateKey = stranger }, `user: "` + good.User + `" is refused with this password or private_key`},
		{"a user who is not let in", good, func(c *Config) { c.User = "nobody-here" }, `user: "nobody-here" is refused`},
		{"a wrong password", other, func(c *Config) { c.Password = "wr0ng-s3cret" }, `user: "` + other.User + `" is refused`},
		{"another host key", good, func(c *Config) { c.HostKey = string(ssh.MarshalAuthorizedKey(strangersHalf)) }, "host_key: the server at this address shows another key: ssh-ed25519 SHA256:"},
		{"another fingerprint", good, func(c *Config) { c.HostKey = ssh.FingerprintSHA256(strangersHalf) }, "host_key: the server at this address shows another key: ssh-ed25519 SHA256:"},
		{"a host that is not in the file", good, func(c *Config) { c.HostKey, c.KnownHosts = "", write(t, "") }, "does not have the key that"},
		{"a host that is in the file with another key", good, func(c *Config) {
			c.HostKey, c.KnownHosts = "", write(t, hostLine(t, *c, string(ssh.MarshalAuthorizedKey(strangersHalf))))
		}, "known_hosts: "},
		{"no file of hosts", good, func(c *Config) { c.HostKey, c.KnownHosts = "", filepath.Join(t.TempDir(), "none") }, "known_hosts: open"},
		{"no file of the key", good, func(c *Config) { c.PrivateKey, c.PrivateKeyFile = "", filepath.Join(t.TempDir(), "none") }, "private_key_file: open"},
		{"no such folder", good, func(c *Config) { c.Directory += "/none" }, "directory: there is no folder"},
		{"a folder that is a file", good, func(c *Config) { c.Directory = "/etc/passwd" }, "directory: \"/etc/passwd\": it is not a folder"},
		{"nobody listens", good, func(c *Config) { c.Port = servertest.FreePort(t) }, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.base
			tt.change(&c)
			_, err := open(t, c)
			if err == nil {
				t.Fatal("it opens")
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "open "+c.server().URL("sftp")+": ") {
				t.Errorf("got %v, want an error that says %q", err, tt.want)
			}
			if password := c.Password.Reveal(); password != "" && strings.Contains(err.Error(), password) {
				t.Errorf("the password is in the error %v", err)
			}
			if fault.Of(err) != fault.Internal {
				t.Errorf("got kind %v, want internal", fault.Of(err))
			}
		})
	}
}

func TestWaysToKnowTheServer(t *testing.T) {
	s := servertest.StartSFTP(t)
	good := settings(t, s)
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey)) //nolint:dogsled // the rest is for users' keys
	if err != nil {
		t.Fatal(err)
	}
	good.HostKey = ""
	for name, change := range map[string]func(c *Config){
		"its key":         func(c *Config) { c.HostKey = s.HostKey },
		"its fingerprint": func(c *Config) { c.HostKey = ssh.FingerprintSHA256(key) },
		"a file":          func(c *Config) { c.KnownHosts = write(t, hostLine(t, *c, s.HostKey)) },
		"not at all":      func(c *Config) { c.InsecureHostKey = true },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if _, err := open(t, c); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWaysToLogIn(t *testing.T) {
	s := servertest.StartSFTP(t)
	good := settings(t, s)
	for name, change := range map[string]func(c *Config){
		"a key":           func(*Config) {},
		"a key in a file": func(c *Config) { c.PrivateKey, c.PrivateKeyFile = "", write(t, s.PrivateKey) },
		"a key that has a passphrase": func(c *Config) {
			key, err := ssh.ParseRawPrivateKey([]byte(s.PrivateKey))
			if err != nil {
				t.Fatal(err)
			}
			block, err := ssh.MarshalPrivateKeyWithPassphrase(*key.(*ed25519.PrivateKey), "", []byte("pass phrase"))
			if err != nil {
				t.Fatal(err)
			}
			c.PrivateKey, c.Passphrase = secret.String(pem.EncodeToMemory(block)), "pass phrase"
		},
		"a key, beside a password": func(c *Config) { c.Password = "pw" },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if _, err := open(t, c); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAFolderBelowTheUsersOwn(t *testing.T) {
	s := servertest.StartOtherSFTP(t)
	c := settings(t, s)
	whole := c.Directory
	c.Directory = path.Base(whole)
	store, err := open(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), "1/a", strings.NewReader("rows")); err != nil {
		t.Fatal(err)
	}
	c.Directory = whole
	if store, err = open(t, c); err != nil {
		t.Fatal(err)
	}
	if got := content(t, store, "1/a"); got != "rows" {
		t.Errorf("got %q, want rows", got)
	}
}

// login is a server of SSH that lets in who has the password, and has nothing more. It shows keys of two kinds.
func login(t *testing.T, config *ssh.ServerConfig) (port int, keys []ssh.PublicKey) {
	t.Helper()
	_, first, err1 := ed25519.GenerateKey(rand.Reader)
	second, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{first, second} {
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			t.Fatal(err)
		}
		config.AddHostKey(signer)
		keys = append(keys, signer.PublicKey())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serve sync.WaitGroup
	serve.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve.Go(func() { refuse(c, config) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // ends accept
		serve.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port, keys
}

// refuse lets a client in, and refuses what it asks for.
func refuse(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close() //nolint:errcheck // the client may have closed it
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		_ = channel.Reject(ssh.Prohibited, "nothing here") // the client may have left
	}
}

// A server has keys of several kinds, and a file of hosts perhaps one that it would not show first.
func TestAServerIsKnownByAnyOfItsKeys(t *testing.T) {
	port, keys := login(t, &ssh.ServerConfig{NoClientAuth: true})
	c := DefaultConfig()
	c.Host, c.Port, c.User, c.Password = "127.0.0.1", port, "u", "pw"
	for _, key := range keys {
		text := string(ssh.MarshalAuthorizedKey(key))
		for name, change := range map[string]func(c *Config){
			"the key": func(c *Config) { c.HostKey = text }, "a file": func(c *Config) { c.KnownHosts = write(t, hostLine(t, *c, text)) },
		} {
			t.Run(key.Type()+" by "+name, func(t *testing.T) {
				c := c
				change(&c)
				if _, err := open(t, c); err == nil || !strings.Contains(err.Error(), "does not speak SFTP") {
					t.Errorf("got %v, want that the login works and nothing more", err)
				}
			})
		}
	}
}

// Many servers ask for the password as for the answer to a question.
func TestAServerThatAsksForThePassword(t *testing.T) {
	config := &ssh.ServerConfig{KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "", []string{"Password: "}, []bool{false})
		if err == nil && (len(answers) != 1 || answers[0] != "pw") {
			err = fmt.Errorf("got the answers %q", answers)
		}
		return nil, err
	}}
	port, _ := login(t, config)
	c := DefaultConfig()
	c.Host, c.Port, c.User, c.InsecureHostKey = "127.0.0.1", port, "u", true
	for password, want := range map[secret.String]string{"pw": "does not speak SFTP", "wrong": "is refused"} {
		c.Password = password
		if _, err := open(t, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want that it %s", err, want)
		}
	}
	if _, err := c.answer("", "", []string{"Name: "}, []bool{true}); err == nil {
		t.Error("a question for something else is answered with the password")
	}
}

func TestOpenStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := DefaultConfig()
	c.Host, c.Port, c.User, c.Password, c.InsecureHostKey = "127.0.0.1", servertest.FreePort(t), "u", "pw", true
	if _, err := Open(ctx, c, slog.New(slog.DiscardHandler)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context canceled", err)
	}
}

func TestConfig(t *testing.T) {
	key, public := newKey(t, "")
	locked, _ := newKey(t, "pass phrase")
	good := DefaultConfig()
	good.Host, good.User, good.Password, good.HostKey = "h", "u", "pw", string(ssh.MarshalAuthorizedKey(public))
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		want   string // how each line begins
	}{
		{"a password", func(*Config) {}, ""},
		{"a key", func(c *Config) { c.Password, c.PrivateKey = "", key }, ""},
		{"a key with a passphrase", func(c *Config) { c.PrivateKey, c.Passphrase = locked, "pass phrase" }, ""},
		{"a fingerprint", func(c *Config) { c.HostKey = ssh.FingerprintSHA256(public) }, ""},
		{"nothing", func(c *Config) { *c = DefaultConfig() }, "host: |user: |password: must be given|host_key: give one of"},
		{"two ways to know the server", func(c *Config) { c.InsecureHostKey = true }, "host_key: give one of"},
		{"a host key that is none", func(c *Config) { c.HostKey = "MD5:00" }, "host_key: is neither"},
		{"two keys", func(c *Config) { c.PrivateKey, c.PrivateKeyFile = key, "f" }, "private_key_file: must not be given together"},
		{"a passphrase alone", func(c *Config) { c.Passphrase = "p" }, "private_key_passphrase: there is no private key"},
		{"a key that is none", func(c *Config) { c.PrivateKey = "s3cret" }, "private_key: is not a private key"},
		{"a key whose passphrase is missing", func(c *Config) { c.PrivateKey = locked }, "private_key_passphrase: the private key is encrypted"},
		{"a key with another passphrase", func(c *Config) { c.PrivateKey, c.Passphrase = locked, "wr0ng" }, "private_key: is not a private key, or not one with this"},
		{"a folder on two lines", func(c *Config) { c.Directory = "a\nb" }, "directory: "},
		{"a port that is none", func(c *Config) { c.Port = 0 }, "port: 0 is not a port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			lines, want := strings.Split(got, "\n"), strings.Split(tt.want, "|")
			if len(lines) != len(want) || strings.Contains(got, "s3cret") || strings.Contains(got, "wr0ng") {
				t.Fatalf("got %s, want %s", got, tt.want)
			}
			for i := range lines {
				if !strings.HasPrefix(lines[i], want[i]) || want[i] == "" && lines[i] != "" {
					t.Errorf("got %s, want it to begin with %s", lines[i], want[i])
				}
			}
		})
	}
	if got, want := good.server().HostPort(), net.JoinHostPort("h", strconv.Itoa(22)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
