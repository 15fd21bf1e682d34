package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// throughProxy opens a new bucket twice: by way of a proxy, and directly.
func throughProxy(t *testing.T, server *servertest.S3Server) (far, direct *store, p *servertest.Proxy) {
	t.Helper()
	c := settings(t, server)
	direct = open(t, c)
	p = servertest.NewProxy(t, server.Addr())
	c.Endpoint = "http://" + p.Addr()
	return open(t, c), direct, p
}

// A call whose connection is cut is made again by the client, which finds the answer, or does what was not done.
func TestACutConnection(t *testing.T) {
	put := func(size int64) func(context.Context, *store) error {
		return func(ctx context.Context, s *store) error {
			return s.Put(ctx, "1/a", &blobstoretest.Pattern{Size: size})
		}
	}
	remove := func(ctx context.Context, s *store) error { return s.Delete(ctx, "1/a") }
	const large = 20 << 20
	server := servertest.S3(t)
	for _, tt := range []struct {
		name, match string
		call        func(context.Context, *store) error
		size        int64 // of the blob afterwards; -1 when there is none
	}{
		{"put", "PUT /", put(1000), 1000},
		{"put in parts: the first request", "POST /", put(large), large},
		{"put in parts: a part", "partNumber=2", put(large), large},
		{"delete", "DELETE /", remove, -1},
	} {
		for when, await := range map[string]func(*servertest.Proxy, string) <-chan struct{}{
			"before the store hears it": (*servertest.Proxy).CutBefore, "before the answer comes": (*servertest.Proxy).CutAfter,
		} {
			t.Run(tt.name+", "+when, func(t *testing.T) {
				t.Parallel() // the client waits between its tries
				far, direct, p := throughProxy(t, server)
				if err := direct.Put(t.Context(), "1/a", strings.NewReader("earlier")); err != nil {
					t.Fatal(err)
				}
				met := await(p, tt.match)
				if err := tt.call(t.Context(), far); err != nil {
					t.Errorf("got %v, want it done", err)
				}
				<-met
				if tt.size >= 0 {
					blobstoretest.WantPattern(t, direct, "1/a", tt.size)
				} else if _, err := direct.Get(t.Context(), "1/a"); !errors.Is(err, fault.NotFound) {
					t.Errorf("got %v, want fault.NotFound", err)
				}
			})
		}
	}
}

// When the answer that the parts are joined is lost, the client asks again, and a store may not know the upload any more.
// Then nobody can tell: Put says so, the blob is whole, and to put it again works.
func TestALostAnswerAboutTheJoinedParts(t *testing.T) {
	far, direct, p := throughProxy(t, servertest.S3(t))
	met := p.CutAfter("<CompleteMultipartUpload")
	err := far.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 20 << 20})
	<-met
	if err != nil && fault.Of(err) != fault.Internal {
		t.Errorf("got %v, want an error to try again, or none", err)
	}
	blobstoretest.WantPattern(t, direct, "1/a", 20<<20)
	if err := far.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 20 << 20}); err != nil {
		t.Error(err)
	}
	blobstoretest.WantPattern(t, direct, "1/a", 20<<20)
	wantNoUploads(t, direct, "1/a")
}

func TestACutDownloadIsAnError(t *testing.T) {
	far, direct, p := throughProxy(t, servertest.S3(t))
	const size = 30 << 20
	if err := direct.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err != nil {
		t.Fatal(err)
	}
	r, err := far.Get(t.Context(), "1/a")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyN(io.Discard, r, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	p.Cut()
	more, err := io.Copy(io.Discard, r)
	if err == nil || n+more >= size {
		t.Errorf("got %d bytes of %d and %v, want a part and an error", n+more, size, err)
	}
	if again, err2 := r.Read(make([]byte, 1)); again != 0 || err2 == nil || errors.Is(err2, io.EOF) {
		t.Errorf("a read after the error: got %d and %v, want the error", again, err2)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	blobstoretest.WantPattern(t, far, "1/a", size)
}

func TestASilentNetwork(t *testing.T) {
	far, direct, p := throughProxy(t, servertest.S3(t))
	if err := direct.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 30 << 20}); err != nil {
		t.Fatal(err)
	}
	far.stall = 5 * time.Second // of a download that begins before
	begun, err := far.Get(t.Context(), "1/a")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(context.Context) error{
		"put":          func(ctx context.Context) error { return far.Put(ctx, "1/b", strings.NewReader("rows")) },
		"put in parts": func(ctx context.Context) error { return far.Put(ctx, "1/b", &blobstoretest.Pattern{Size: 20 << 20}) },
		"get": func(ctx context.Context) error {
			_, err := far.Get(ctx, "1/a")
			return err
		},
		"delete": func(ctx context.Context) error { return far.Delete(ctx, "1/b") }, // it may arrive later
	}
	p.Hold()
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want the deadline exceeded", name, err)
		}
		cancel()
	}
	// Without a deadline the store gives up when nothing moves. What has begun before is in that too.
	far.stall = 100 * time.Millisecond
	for name, call := range map[string]func(context.Context) error{
		"put": calls["put"], "get": calls["get"],
		"the rest of a download": func(context.Context) error {
			_, err := io.Copy(io.Discard, begun)
			return errors.Join(err, begun.Close())
		},
	} {
		if err := call(t.Context()); !errors.Is(err, transfer.ErrStalled) || errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want that nothing has moved", name, err)
		}
	}
	p.Release()
	far.stall = stallTimeout
	blobstoretest.WantPattern(t, far, "1/a", 30<<20)
}

func TestTheServerRestarts(t *testing.T) {
	server := servertest.StartS3(t)
	s := open(t, settings(t, server))
	for name, end := range map[string]func(){"stopped": server.Stop, "crashed": server.Crash} {
		if err := s.Put(t.Context(), "1/a", strings.NewReader(name)); err != nil {
			t.Fatal(err)
		}
		end()
		if _, err := s.Get(t.Context(), "1/a"); err == nil || !fault.Retryable(err) {
			t.Errorf("%s: got %v, want an error to try again", name, err)
		}
		server.Start(t)
		if got := content(t, s, "1/a"); got != name {
			t.Errorf("%s and started again: got %q, want %q", name, got, name)
		}
	}
}

// A store such as Backblaze B2 or Cloudflare R2 refuses requests that mention checksums that it does not know.
func TestStoresThatKnowNoChecksumsButMD5(t *testing.T) {
	server := servertest.S3(t)
	behind, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(behind)
	var checked atomic.Int32
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			name = strings.ToLower(name)
			if strings.HasPrefix(name, "x-amz-checksum") || strings.HasPrefix(name, "x-amz-sdk-checksum") || name == "x-amz-trailer" {
				t.Errorf("%s %s has the header %s", r.Method, r.URL.Path, name)
			}
		}
		if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
			t.Errorf("%s %s has a body in pieces", r.Method, r.URL.Path)
		}
		if r.Method == http.MethodPut {
			checked.Add(1)
			if r.Header.Get("Content-Md5") == "" {
				t.Errorf("%s %s has no Content-MD5", r.Method, r.URL.Path)
			}
		}
		pass.ServeHTTP(w, r)
	}))
	defer front.Close()
	c := settings(t, server)
	c.Endpoint = front.URL
	s := open(t, c)
	for _, size := range []int64{1000, 20 << 20} {
		if err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err != nil {
			t.Fatal(err)
		}
		blobstoretest.WantPattern(t, s, "1/a", size)
	}
	if err := s.Delete(t.Context(), "1/a"); err != nil {
		t.Error(err)
	}
	if n := checked.Load(); n != 1+3 {
		t.Errorf("%d bodies were sent, want a blob and three parts", n)
	}
}

func TestADamagedBlobIsAnError(t *testing.T) {
	s := open(t, settings(t, servertest.S3(t)))
	_, err := s.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &s.bucket, Key: aws.String("1/a"),
		Body: strings.NewReader("rovs"), Metadata: s.sumsOf([]byte("rows")).fields})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "1/a")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %q and %v, want that it is damaged", got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
