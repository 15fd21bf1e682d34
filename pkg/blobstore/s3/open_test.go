package s3

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// nowhere takes everything away that the SDK might find settings in.
func nowhere(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	nowhere(t)
	server := servertest.StartS3(t) // one that is strict about its region
	good := settings(t, server)
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"a wrong secret", func(c *Config) { c.SecretAccessKey = "wr0ng-s3cret" }, "the keys are refused"},
		{"an unknown key", func(c *Config) { c.AccessKeyID = "nobody" }, "the keys are refused"},
		{"no such bucket", func(c *Config) { c.Bucket = "no-such-bucket" }, "open bucket no-such-bucket: the bucket does not exist"},
		{"another region", func(c *Config) { c.Region = "mars-north-1" }, "the bucket is in another region"},
		{"no keys anywhere", func(c *Config) { c.AccessKeyID, c.SecretAccessKey = "", "" }, "credentials"},
		{"no region anywhere", func(c *Config) { c.Region, c.Endpoint = "", "" }, "region: is not set"},
		{"nobody listens", func(c *Config) { c.Endpoint = fmt.Sprintf("http://127.0.0.1:%d", servertest.FreePort(t)) }, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			s, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal(errors.Join(errors.New("it opens"), s.Close()))
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "open bucket "+c.Bucket+": ") {
				t.Errorf("got %v, want an error that says %q", err, tt.want)
			}
			if key := c.SecretAccessKey.Reveal(); key != "" && strings.Contains(err.Error(), key) {
				t.Errorf("the secret is in the error %v", err)
			}
			if fault.Of(err) != fault.Internal {
				t.Errorf("got kind %v, want internal", fault.Of(err))
			}
		})
	}
}

func TestKeysOfTheSDKsOwnChain(t *testing.T) {
	server := servertest.S3(t)
	for _, tt := range []struct {
		name string
		set  func(t *testing.T)
	}{
		{"the environment", func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKeyID)
			t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretAccessKey)
		}},
		{"a profile of the shared files", func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "credentials")
			text := fmt.Sprintf("[work]\naws_access_key_id=%s\naws_secret_access_key=%s\n", server.AccessKeyID, server.SecretAccessKey)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
			t.Setenv("AWS_PROFILE", "work")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nowhere(t)
			tt.set(t)
			c := settings(t, server)
			c.AccessKeyID, c.SecretAccessKey, c.Region = "", "", ""
			s := open(t, c)
			if err := s.Put(t.Context(), "1/a", strings.NewReader("rows")); err != nil {
				t.Error(err)
			}
		})
	}
}

// A store of one's own often has a certificate of one's own.
func TestCertificatesOfTheSDKsOwnBundle(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	s, err := newStore(t.Context(), Config{Bucket: "b", Endpoint: server.URL, PathStyle: true, AccessKeyID: "k", SecretAccessKey: "s"},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(t.Context(), "1/a")
	if answer := answerOf(err); answer == nil || answer.StatusCode != http.StatusNotFound {
		t.Errorf("got %v, want the server's answer", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenStopsWithItsContext(t *testing.T) {
	server := servertest.S3(t)
	c := settings(t, server)
	p := servertest.NewProxy(t, server.Addr())
	c.Endpoint = "http://" + p.Addr()
	p.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, c, slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline exceeded", err)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	c := settings(t, servertest.S3(t))
	defer servertest.NoLeaks(t, goleak.IgnoreCurrent())
	s := open(t, c)
	for range 3 {
		if err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 20 << 20}); err != nil {
			t.Fatal(err)
		}
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
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    Config
		want string // mistakes, joined by newlines
	}{
		{"AWS by its own chain", Config{Bucket: "b"}, ""},
		{"everything", Config{Bucket: "b", Region: "eu-west-1", Endpoint: "https://s3.example.com:9000/s3", AccessKeyID: "k",
			SecretAccessKey: "s", PathStyle: true, Prefix: "a/b c"}, ""},
		{"nothing", Config{}, "bucket: must not be empty"},
		{"a key alone", Config{Bucket: "b", AccessKeyID: "k"}, "access_key_id: must be given together with secret_access_key"},
		{"a secret alone", Config{Bucket: "b", SecretAccessKey: "s"}, "access_key_id: must be given together with secret_access_key"},
		{"an endpoint without a scheme", Config{Bucket: "b", Endpoint: "localhost:9000"},
			`endpoint: "localhost:9000" is not a URL such as https://s3.example.com`},
		{"an endpoint without a host", Config{Bucket: "b", Endpoint: "http://"}, `endpoint: "http://" is not a URL such as https://s3.example.com`},
		{"keys in the endpoint", Config{Bucket: "b", Endpoint: "http://key:s3cret@host"}, "endpoint: must not hold keys: they have settings of their own"},
		{"an endpoint that is none", Config{Bucket: "b", Endpoint: "http://key:s3cret@ho st"}, "endpoint: is not a URL"},
		{"a prefix that is a folder", Config{Bucket: "b", Prefix: "a/"}, `prefix: "a/" is not a key of at most 512 bytes, without a slash at its end`},
		{"two mistakes", Config{Prefix: "../a"}, "bucket: must not be empty\n" +
			`prefix: "../a" is not a key of at most 512 bytes, without a slash at its end`},
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
	key := part + part + part + strings.Repeat("k", 255)
	if _, err := s.Get(t.Context(), key); !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v, want fault.Invalid", err)
	}
}
