package s3

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func TestLargeBlobsGoInPartsOfBoundedMemory(t *testing.T) {
	onBoth(t, func(t *testing.T, c Config) {
		s := open(t, c)
		const size = 80 << 20
		// As much again, and one, is for what is no longer in use: the race detector throws buffers away.
		blobstoretest.WantBounded(t, s, "1/large", size, (2*(atOnce+1)+1)*partSize)
		blobstoretest.WantPattern(t, s, "1/large", size)
		wantNoUploads(t, s, "1/large")
	})
}

// The sizes about the borders between one request and parts, and between parts.
func TestSizesAtTheBorders(t *testing.T) {
	onBoth(t, func(t *testing.T, c Config) {
		s := open(t, c)
		for _, size := range []int64{partSize - 1, partSize, partSize + 1, 2 * partSize} {
			for name, r := range map[string]io.Reader{
				"whole reads": &blobstoretest.Pattern{Size: size}, "the end with the last bytes": iotest.DataErrReader(&blobstoretest.Pattern{Size: size}),
			} {
				if err := s.Put(t.Context(), "1/a", r); err != nil {
					t.Fatalf("%d bytes, %s: %v", size, name, err)
				}
				blobstoretest.WantPattern(t, s, "1/a", size)
			}
		}
		wantNoUploads(t, s, "1/a")
	})
}

func TestAFailedUploadLeavesNoParts(t *testing.T) {
	server := servertest.S3(t)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		put  func(ctx context.Context, cancel func(), s *store, p *servertest.Proxy) error
		want error // nil: any
	}{
		{"the reader fails at once", func(ctx context.Context, _ func(), s *store, _ *servertest.Proxy) error {
			return s.Put(ctx, "1/a", iotest.ErrReader(broken))
		}, broken},
		{"the reader fails in the third part", func(ctx context.Context, _ func(), s *store, _ *servertest.Proxy) error {
			return s.Put(ctx, "1/a", io.MultiReader(&blobstoretest.Pattern{Size: 20 << 20}, iotest.ErrReader(broken)))
		}, broken},
		{"the reader's own source is cut", func(ctx context.Context, _ func(), s *store, _ *servertest.Proxy) error {
			return s.Put(ctx, "1/a", io.MultiReader(&blobstoretest.Pattern{Size: 20 << 20}, iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, io.ErrUnexpectedEOF},
		{"a small one is cut", func(ctx context.Context, _ func(), s *store, _ *servertest.Proxy) error {
			return s.Put(ctx, "1/a", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, io.ErrUnexpectedEOF},
		{"ctx ends in the third part", func(ctx context.Context, cancel func(), s *store, _ *servertest.Proxy) error {
			return s.Put(ctx, "1/a", &blobstoretest.Pattern{Size: 30 << 20, At: func(given int64) {
				if given > 17<<20 {
					cancel()
				}
			}})
		}, context.Canceled},
		{"a part is refused", func(ctx context.Context, _ func(), s *store, p *servertest.Proxy) error {
			for range 3 { // as often as the client tries
				p.CutBefore("partNumber=3")
			}
			return s.Put(ctx, "1/a", &blobstoretest.Pattern{Size: 30 << 20})
		}, nil},
		{"the parts cannot be joined", func(ctx context.Context, _ func(), s *store, p *servertest.Proxy) error {
			for range 3 {
				p.CutBefore("<CompleteMultipartUpload")
			}
			return s.Put(ctx, "1/a", &blobstoretest.Pattern{Size: 20 << 20})
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := settings(t, server)
			direct := open(t, c)
			if err := direct.Put(t.Context(), "1/a", strings.NewReader("earlier")); err != nil {
				t.Fatal(err)
			}
			p := servertest.NewProxy(t, server.Addr())
			c.Endpoint = "http://" + p.Addr()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := tt.put(ctx, cancel, open(t, c), p)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if got := content(t, direct, "1/a"); got != "earlier" {
				t.Errorf("afterwards the blob is %.40q, want the earlier one", got)
			}
			wantNoUploads(t, direct, "1/a")
		})
	}
}

func TestFilesOfAnySizeFitInTheParts(t *testing.T) {
	for _, size := range []int64{0, 1, 64 << 20, partSize * maxParts, partSize*maxParts + 1, 1 << 40} {
		f, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		part := partSizeOf(f)
		if int64(part)*maxParts < size || part < partSize || part > partSize && size <= partSize*maxParts {
			t.Errorf("a file of %d bytes: got parts of %d", size, part)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if part := partSizeOf(strings.NewReader("x")); part != partSize {
		t.Errorf("a reader: got parts of %d, want %d", part, partSize)
	}
}

// onBoth runs check with the settings of a bucket that is an endpoint of one's own, and of one that is as on AWS.
func onBoth(t *testing.T, check func(t *testing.T, c Config)) {
	server := servertest.S3(t)
	t.Run("with an endpoint", func(t *testing.T) { check(t, settings(t, server)) })
	t.Run("as on AWS", func(t *testing.T) {
		environment(t, server)
		check(t, Config{Bucket: server.Bucket(t), PathStyle: true})
	})
}

func content(t *testing.T, s *store, key string) string {
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

func wantNoUploads(t *testing.T, s *store, key string) {
	t.Helper()
	out, err := s.client.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &key})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		t.Errorf("an upload of %s is left behind", *u.Key)
	}
}
