package gcs

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	f := newFake(t)
	l := f.withLogin()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := Config{Bucket: "b", Endpoint: f.URL, CredentialsJSON: l.credentials(l.key)}
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		before func(w http.ResponseWriter, r *http.Request) bool
		want   string
	}{
		{"another's key", func(c *Config) { c.CredentialsJSON = l.credentials(other) }, nil, "the credentials are refused"},
		{"no token", func(c *Config) { c.CredentialsJSON = "" }, nil, "the credentials are refused"},
		{"no such bucket", func(c *Config) { c.Bucket = "none" }, nil, "open bucket none: the bucket does not exist"},
		{"not allowed", func(*Config) {}, func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/o") {
				fail(w, 403, "forbidden", "text")
				return true
			}
			return false
		}, "the credentials may not list the bucket"},
		{"the tokens are out of order", func(*Config) {}, func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				w.WriteHeader(500)
				return true
			}
			return false
		}, "get a token"},
		{"a key without its key", func(c *Config) { c.CredentialsJSON = `{"type":"service_account","private_key":"s3cret"}` }, nil, ""},
		{"nobody listens", func(c *Config) { c.Endpoint = fmt.Sprintf("http://127.0.0.1:%d", servertest.FreePort(t)) }, nil, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.before = tt.before
			c := good
			tt.change(&c)
			s, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal(errors.Join(errors.New("it opens"), s.Close()))
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "open bucket "+c.Bucket+": ") {
				t.Errorf("got %v, want an error that says %q", err, tt.want)
			}
			for _, private := range []string{"PRIVATE", "s3cret", l.access} {
				if strings.Contains(err.Error(), private) {
					t.Errorf("a secret is in the error %v", err)
				}
			}
			if fault.Of(err) != fault.Internal {
				t.Errorf("got kind %v, want internal", fault.Of(err))
			}
		})
	}
}

// Without credentials in the settings it is the machine's own that are used, and it is an error if there are none.
func TestTheApplicationsDefaultCredentials(t *testing.T) {
	f := newFake(t)
	l := f.withLogin()
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, []byte(l.credentials(l.key).Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	s, err := newStore(t.Context(), Config{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.objects, ownEndpoint+"/") || !strings.HasPrefix(s.uploads, ownEndpoint+"/") {
		t.Errorf("got %s and %s, want Google's own endpoint", s.objects, s.uploads)
	}
	if token, err := s.tokens(t.Context()); err != nil || token.AccessToken != l.access {
		t.Errorf("got %v, want the token that the default credentials give", err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none"))
	if _, err := Open(t.Context(), Config{Bucket: "b"}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("without credentials it opens")
	}
}

func TestATokenIsAskedForOnce(t *testing.T) {
	f := newFake(t)
	l := f.withLogin()
	s := open(t, Config{Bucket: "b", Endpoint: f.URL, JSONCredentials: l.credentials(l.key)})
	for range 3 {
		if err := s.Put(t.Context(), "1/a", strings.NewReader("rows")); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.asked.Load(); n != 1 {
		t.Errorf("%d tokens were asked for, want 1", n)
	}
}

// The library that gets tokens knows no context, but whoever waits for one does.
func TestNobodyWaitsForATokenAfterTheirTime(t *testing.T) {
	f := newFake(t)
	l := f.withLogin()
	held := make(chan struct{})
	defer close(held)
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			<-held
		}
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	c := Config{Bucket: "b", Endpoint: f.URL, CredentialsJSON: l.credentials(l.key)}
	if _, err := Open(ctx, c, slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline exceeded", err)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	f := newFake(t)
	l := f.withLogin()
	before := goleak.IgnoreCurrent()
	s := open(t, Config{Bucket: "b", Endpoint: f.URL, CredentialsJSON: l.credentials(l.key)})
	if err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 20 << 20}); err != nil {
		t.Fatal(err)
	}
	blobstoretest.WantPattern(t, s, "1/a", 20<<20)
	if r, err := s.Get(t.Context(), "1/a"); err != nil { // one that is closed before its end
		t.Error(err)
	} else if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_, err := s.Get(t.Context(), "1/a")
	for _, err := range []error{err, s.Put(t.Context(), "1/a", strings.NewReader("")), s.Delete(t.Context(), "1/a")} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("after Close: got %v, want fault.Closed", err)
		}
	}
	f.Close()
	servertest.NoLeaks(t, before)
}

func TestConfig(t *testing.T) {
	const kinds = `["service_account" "authorized_user" "external_account" "external_account_authorized_user" "impersonated_service_account"]`
	const account = secret.String(`{"type":"service_account"}`)
	for _, tt := range []struct {
		name string
		c    Config
		want string // mistakes, joined by newlines
	}{
		{"the machine's own credentials", Config{Bucket: "b"}, ""},
		{"everything", Config{Bucket: "b", CredentialsJSON: account, Prefix: "a/b c", Endpoint: "https://storage.example.com"}, ""},
		{"the other spelling", Config{Bucket: "b", JSONCredentials: account}, ""},
		{"nothing", Config{}, "bucket: must not be empty"},
		{"both spellings", Config{Bucket: "b", CredentialsJSON: account, JSONCredentials: account},
			"json_credentials: is the same as credentials_json: give one of them"},
		{"a file's name", Config{Bucket: "b", CredentialsJSON: "/etc/s3cret.json"},
			"credentials_json: is not JSON: it is the text of the key's file, not the file's name"},
		{"credentials of no type", Config{Bucket: "b", CredentialsJSON: `{"private_key":"s3cret"}`}, `credentials_json: its type "" is not one of ` + kinds},
		{"an endpoint without a scheme", Config{Bucket: "b", Endpoint: "localhost:4443"},
			`endpoint: "localhost:4443" is not a URL such as http://localhost:4443`},
		{"a password in the endpoint", Config{Bucket: "b", Endpoint: "http://u:s3cret@host"}, "endpoint: must not hold a password"},
		{"an endpoint that is none", Config{Bucket: "b", Endpoint: "http://u:s3cret@ho st"}, "endpoint: is not a URL"},
		{"a prefix that is a folder", Config{Bucket: "b", Prefix: "a/"}, `prefix: "a/" is not a key of at most 512 bytes, without a slash at its end`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.c.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAKeyThatIsTooLongWithItsPrefix(t *testing.T) {
	s := &store{prefix: strings.Repeat("p", 100) + "/"}
	part := strings.Repeat("k", 255) + "/"
	if _, err := s.Get(t.Context(), part+part+part+strings.Repeat("k", 255)); !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v, want fault.Invalid", err)
	}
}
