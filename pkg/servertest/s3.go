package servertest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// S3Server is an S3 store that answers.
type S3Server struct {
	Endpoint        string
	Region          string
	AccessKeyID     string
	SecretAccessKey string

	command func() *exec.Cmd // nil when it was not started here
	cmd     *exec.Cmd
	done    <-chan struct{} // closed when it has ended
}

// S3 gives an S3 store, which other tests may use too: make a bucket of your own. The environment names one as
// http://KEY:SECRET@HOST:PORT/?region=REGION.
func S3(t testing.TB) *S3Server {
	t.Helper()
	if given, ok := Given("S3"); ok {
		return givenS3(t, given)
	}
	return StartS3(t)
}

// StartS3 starts a store, which the test may stop and start again.
func StartS3(t testing.TB) *S3Server {
	t.Helper()
	path, port, dir := program(t, "versitygw"), FreePort(t), t.TempDir()
	return startS3(t, port, "us-east-1", func(s *S3Server) *exec.Cmd {
		blobs := filepath.Join(dir, "blobs")
		mkdirs(t, blobs)
		cmd := exec.Command(path, "--port", "127.0.0.1:"+strconv.Itoa(port), "--region", s.Region, "posix", blobs)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKeyID, "ROOT_SECRET_KEY="+s.SecretAccessKey)
		return cmd
	})
}

// Minio gives a MinIO. It is a second engine, which takes minutes to install: a test that does not find one is skipped,
// whatever else is required.
func Minio(t testing.TB) *S3Server {
	t.Helper()
	if given, ok := Given("MINIO"); ok {
		return givenS3(t, given)
	}
	path, found := find("minio")
	if !found {
		t.Skip("there is no minio here")
	}
	port, dir := FreePort(t), t.TempDir()
	return startS3(t, port, "us-east-1", func(s *S3Server) *exec.Cmd {
		cmd := exec.Command(path, "server", "--address", "127.0.0.1:"+strconv.Itoa(port), dir)
		cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+s.AccessKeyID, "MINIO_ROOT_PASSWORD="+s.SecretAccessKey, "MINIO_BROWSER=off")
		return cmd
	})
}

func givenS3(t testing.TB, given string) *S3Server {
	t.Helper()
	u, err := url.Parse(given)
	if err != nil || u.User == nil {
		t.Fatal("the S3 store of the environment must be named as http://KEY:SECRET@HOST:PORT/?region=REGION")
	}
	secret, _ := u.User.Password()
	region := u.Query().Get("region")
	if region == "" {
		region = "us-east-1"
	}
	return &S3Server{Endpoint: u.Scheme + "://" + u.Host, Region: region, AccessKeyID: u.User.Username(), SecretAccessKey: secret}
}

func startS3(t testing.TB, port int, region string, command func(*S3Server) *exec.Cmd) *S3Server {
	t.Helper()
	s := &S3Server{Endpoint: "http://127.0.0.1:" + strconv.Itoa(port), Region: region,
		AccessKeyID: "test-key", SecretAccessKey: rand.Text()}
	s.command = func() *exec.Cmd { return command(s) }
	s.Start(t)
	return s
}

// Start starts a store that was stopped, on the port that it had.
func (s *S3Server) Start(t testing.TB) {
	t.Helper()
	s.cmd = s.command()
	s.done = start(t, s.cmd, func(ctx context.Context) error {
		status, err := s.ask(ctx, http.MethodGet, "/")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("it answers %d", status)
		}
		return err
	})
}

// Stop ends the store in order.
func (s *S3Server) Stop() { s.end(syscall.SIGTERM) }

// Crash ends the store at once.
func (s *S3Server) Crash() { s.end(syscall.SIGKILL) }

func (s *S3Server) end(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig) // fails when it has ended
	<-s.done
}

// Addr is the store's host and port.
func (s *S3Server) Addr() string {
	_, addr, _ := strings.Cut(s.Endpoint, "://")
	return addr
}

// Bucket makes a bucket and gives its name. It stays where it is: the folder of a store that was started here goes with
// the test.
func (s *S3Server) Bucket(t testing.TB) string {
	t.Helper()
	name := "test-" + strings.ToLower(rand.Text())
	status, err := s.ask(t.Context(), http.MethodPut, "/"+name)
	if err != nil || status != http.StatusOK {
		t.Fatalf("make bucket: got status %d and %v", status, err)
	}
	return name
}

// Keys lists what is in a bucket, with the first thousand objects and the uploads that were begun and not ended.
func (s *S3Server) Keys(t testing.TB, bucket string) (keys []string) {
	t.Helper()
	for _, query := range []string{"list-type=2", "uploads="} {
		var list struct {
			Contents, Upload []struct{ Key string }
		}
		status, err := s.read(t.Context(), http.MethodGet, "/"+bucket, query, func(body io.Reader) error { return xml.NewDecoder(body).Decode(&list) })
		if err != nil || status != http.StatusOK {
			t.Fatalf("list %s of the bucket: got status %d and %v", query, status, err)
		}
		for _, found := range append(list.Contents, list.Upload...) {
			keys = append(keys, found.Key)
		}
	}
	return keys
}

// ask sends a request without a body or a query.
func (s *S3Server) ask(ctx context.Context, method, path string) (status int, err error) {
	return s.read(ctx, method, path, "", func(io.Reader) error { return nil })
}

// read sends a request without a body, signed as AWS's version 4 has it. The query is in its canonical form.
func (s *S3Server) read(ctx context.Context, method, path, query string, body func(io.Reader) error) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, s.Endpoint+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	r.URL.RawQuery = query
	now, empty := time.Now().UTC(), hex.EncodeToString(hashOf(""))
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", empty)
	const signed = "host;x-amz-content-sha256;x-amz-date"
	request := strings.Join([]string{method, path, query, "host:" + r.URL.Host, "x-amz-content-sha256:" + empty,
		"x-amz-date:" + stamp, "", signed, empty}, "\n")
	scope := day + "/" + s.Region + "/s3/aws4_request"
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, hex.EncodeToString(hashOf(request))}, "\n")
	key := []byte("AWS4" + s.SecretAccessKey)
	for _, part := range []string{day, s.Region, "s3", "aws4_request", text} {
		key = hmacOf(key, part)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x",
		s.AccessKeyID, scope, signed, key))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	return answer.StatusCode, body(answer.Body)
}

func hashOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func mkdirs(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
