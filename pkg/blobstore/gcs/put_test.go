package gcs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func TestLargeBlobsGoInPiecesOfBoundedMemory(t *testing.T) {
	server := servertest.GCS(t)
	s := open(t, Config{Bucket: server.Bucket(t), Endpoint: server.Endpoint})
	const size = 40 << 20
	blobstoretest.WantBounded(t, s, "1/large", size, 3*pieceSize)
	blobstoretest.WantPattern(t, s, "1/large", size)
}

// The sizes about the borders between one request and pieces, and between pieces.
func TestSizesAtTheBorders(t *testing.T) {
	f, emulator := newFake(t), servertest.GCS(t)
	for name, s := range map[string]*store{
		"strict": f.opened(), "an emulator": open(t, Config{Bucket: emulator.Bucket(t), Endpoint: emulator.Endpoint}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int64{pieceSize - 1, pieceSize, pieceSize + 1, 2 * pieceSize} {
				if err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				blobstoretest.WantPattern(t, s, "1/a", size)
			}
			// One whose end comes with its last bytes.
			if err := s.Put(t.Context(), "1/a", iotest.DataErrReader(&blobstoretest.Pattern{Size: pieceSize})); err != nil {
				t.Fatal(err)
			}
			blobstoretest.WantPattern(t, s, "1/a", pieceSize)
		})
	}
	if n := f.unfinished(); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

func TestAFailedUploadLeavesNothing(t *testing.T) {
	broken := errors.New("broken")
	large := func() io.Reader { return &blobstoretest.Pattern{Size: 20 << 20} }
	for _, tt := range []struct {
		name string
		keep func(start int64, piece []byte) (int, bool)
		put  func(ctx context.Context, cancel func(), s *store) error
		want error // nil: any
	}{
		{"the reader fails at once", nil, func(ctx context.Context, _ func(), s *store) error {
			return s.Put(ctx, "1/a", iotest.ErrReader(broken))
		}, broken},
		{"the reader fails in the third piece", nil, func(ctx context.Context, _ func(), s *store) error {
			return s.Put(ctx, "1/a", io.MultiReader(large(), iotest.ErrReader(broken)))
		}, broken},
		{"the reader's own source is cut", nil, func(ctx context.Context, _ func(), s *store) error {
			return s.Put(ctx, "1/a", io.MultiReader(large(), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, io.ErrUnexpectedEOF},
		{"a small one is cut", nil, func(ctx context.Context, _ func(), s *store) error {
			return s.Put(ctx, "1/a", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, io.ErrUnexpectedEOF},
		{"ctx ends in the third piece", nil, func(ctx context.Context, cancel func(), s *store) error {
			return s.Put(ctx, "1/a", &blobstoretest.Pattern{Size: 30 << 20, At: func(given int64) {
				if given > 17<<20 {
					cancel()
				}
			}})
		}, context.Canceled},
		{"the connection is cut again and again", func(int64, []byte) (int, bool) { return 0, true },
			func(ctx context.Context, _ func(), s *store) error { return s.Put(ctx, "1/a", large()) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			s := f.opened()
			if err := s.Put(t.Context(), "1/a", strings.NewReader("earlier")); err != nil {
				t.Fatal(err)
			}
			f.keep = tt.keep
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := tt.put(ctx, cancel, s)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "/session/") {
				t.Errorf("the URL of the upload is in the error %v", err)
			}
			if got := content(t, s, "1/a"); got != "earlier" {
				t.Errorf("afterwards the blob is %.40q, want the earlier one", got)
			}
			if n := f.unfinished(); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

// An upload that is interrupted goes on where the store says that it is.
func TestInterruptedUploadsGoOn(t *testing.T) {
	const size = 2*pieceSize + 1000
	// once gives fault for the piece that begins at start, the first time.
	once := func(start int64, kept func(n int) int, cut bool) func(int64, []byte) (int, bool) {
		var met atomic.Bool
		return func(at int64, piece []byte) (int, bool) {
			if at == start && met.CompareAndSwap(false, true) {
				return kept(len(piece)), cut
			}
			return len(piece), false
		}
	}
	none, all := func(int) int { return 0 }, func(n int) int { return n }
	half := func(n int) int { return n / 2 &^ (256<<10 - 1) }
	for _, tt := range []struct {
		name string
		keep func(int64, []byte) (int, bool)
	}{
		{"a part of a piece is kept", once(pieceSize, half, false)},
		{"nothing of a piece is kept", once(pieceSize, none, false)},
		{"a part is kept and the answer lost", once(pieceSize, half, true)},
		{"the first piece is lost", once(0, none, true)},
		{"a piece is kept and the answer lost", once(pieceSize, all, true)},
		{"the last piece is lost", once(2*pieceSize, none, true)},
		{"the last piece is kept and the answer lost", once(2*pieceSize, all, true)},
		{"every other piece is cut", func() func(int64, []byte) (int, bool) {
			var n atomic.Int32
			return func(_ int64, piece []byte) (int, bool) {
				if n.Add(1)%2 == 1 {
					return half(len(piece)), true
				}
				return len(piece), false
			}
		}()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			s := f.opened()
			f.keep = tt.keep
			if err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err != nil {
				t.Fatal(err)
			}
			blobstoretest.WantPattern(t, s, "1/a", size)
			if n := f.unfinished(); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

// A store that is busy or broken for a moment does not cost what was sent already.
func TestUploadsGoOnAfterABadAnswer(t *testing.T) {
	for _, tt := range []struct {
		status int
		fine   bool
	}{{408, true}, {429, true}, {500, true}, {503, true}, {403, false}, {404, false}, {410, false}} {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			f := newFake(t)
			s := f.opened()
			var pieces atomic.Int32
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut || pieces.Add(1) != 2 {
					return false
				}
				fail(w, tt.status, "reason", "text")
				return true
			}
			err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 20 << 20})
			if (err == nil) != tt.fine {
				t.Errorf("got %v, want it to go on %t", err, tt.fine)
			}
			if tt.fine {
				blobstoretest.WantPattern(t, s, "1/a", 20<<20)
			} else if got := statusOf(err); got != tt.status {
				t.Errorf("got %v, want the store's answer %d", err, tt.status)
			}
			if n := f.unfinished(); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

// What the store says of an upload must fit what was sent.
func TestUploadsThatTheStoreLoses(t *testing.T) {
	for name, span := range map[string]string{
		"more than was sent": "bytes=0-99999999", "less than it had": "bytes=0-99", "nonsense": "bytes 5", "a gap": "bytes=7-99",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			s := f.opened()
			var pieces atomic.Int32
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut || pieces.Add(1) != 2 {
					return false
				}
				w.Header().Set("Range", span)
				w.WriteHeader(308)
				return true
			}
			if err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 20 << 20}); !errors.Is(err, errDamaged) {
				t.Errorf("got %v, want that it is damaged", err)
			}
		})
	}
}

// Something between us and the store may answer in its place that all is well, while the store has nothing.
func TestAnswersThatDoNotShowTheBlob(t *testing.T) {
	for name, answer := range map[string]string{
		"empty": "", "blanks": "   ", "JSON of nothing": "{}", "null": "null", "of another": `{"name":"1/b"}`, "a page": "<html>",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			s := f.opened()
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				last := r.Method == http.MethodPut && !strings.HasSuffix(r.Header.Get("Content-Range"), "/*")
				if !last && r.URL.Query().Get("uploadType") != "multipart" {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body) // the client sends all of it
				_, _ = io.WriteString(w, answer)
				return true
			}
			for _, size := range []int64{1000, pieceSize + 1000} { // in one request, and in pieces
				if err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err == nil || !fault.Retryable(err) {
					t.Errorf("%d bytes: got %v, want an error, to be tried again", size, err)
				}
				if n := f.unfinished(); n != 0 {
					t.Errorf("%d uploads are left", n)
				}
			}
		})
	}
}

// The upload goes on after such an answer, with the piece that it was about.
func TestUploadsGoOnAfterAnAnswerThatDoesNotShowTheBlob(t *testing.T) {
	f := newFake(t)
	s := f.opened()
	var met atomic.Bool
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		last := r.Method == http.MethodPut && !strings.HasSuffix(r.Header.Get("Content-Range"), "/*")
		if !last || !met.CompareAndSwap(false, true) {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body) // the client sends all of it
		_, _ = io.WriteString(w, "{}")
		return true
	}
	if err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: pieceSize + 1000}); err != nil {
		t.Fatal(err)
	}
	blobstoretest.WantPattern(t, s, "1/a", pieceSize+1000)
}

// An emulator that knows no sums names the object.
func TestAnAnswerWithoutASumNamesTheObject(t *testing.T) {
	f := newFake(t)
	s := f.opened()
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body) // the client sends all of it
		_, _ = io.WriteString(w, `{"name":"1/a"}`)
		return true
	}
	if err := s.Put(t.Context(), "1/a", strings.NewReader("rows")); err != nil {
		t.Error(err)
	}
}
