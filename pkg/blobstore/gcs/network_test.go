package gcs

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// throughProxy opens the bucket of f by way of a proxy. Uploads in pieces go directly, as the store says where.
func throughProxy(t *testing.T, f *fake) (*store, *servertest.Proxy) {
	t.Helper()
	p := servertest.NewProxy(t, f.Listener.Addr().String())
	return open(t, Config{Bucket: "b", Endpoint: "http://" + p.Addr()}), p
}

// A call whose connection is cut fails, and can be made again.
func TestACutConnection(t *testing.T) {
	for _, tt := range []struct {
		name, match string
		call        func(ctx context.Context, s *store) error
		before      string // the blob when the store did not hear it
		after       string // and when it did; empty when there is none
	}{
		{"put", "POST /upload", func(ctx context.Context, s *store) error {
			return s.Put(ctx, "1/a", strings.NewReader("rows"))
		}, "earlier", "rows"},
		{"delete", "DELETE /", func(ctx context.Context, s *store) error { return s.Delete(ctx, "1/a") }, "earlier", ""},
	} {
		for when, lost := range map[string]bool{"before the store hears it": false, "before the answer comes": true} {
			t.Run(tt.name+", "+when, func(t *testing.T) {
				f := newFake(t)
				if err := f.opened().Put(t.Context(), "1/a", strings.NewReader("earlier")); err != nil {
					t.Fatal(err)
				}
				s, p := throughProxy(t, f)
				await, want := p.CutBefore, tt.before
				if lost {
					await, want = p.CutAfter, tt.after
				}
				met := await(tt.match)
				err := tt.call(t.Context(), s)
				<-met
				if err != nil && !fault.Retryable(err) {
					t.Errorf("got %v, want an error to try again", err)
				}
				if err == nil { // net/http itself has made the call again
					want = tt.after
				}
				if got := f.blob("1/a"); got != want {
					t.Errorf("the blob is %q, want %q", got, want)
				}
				if err := tt.call(t.Context(), s); err != nil {
					t.Errorf("again: %v", err)
				}
				if got := f.blob("1/a"); got != tt.after {
					t.Errorf("afterwards the blob is %q, want %q", got, tt.after)
				}
			})
		}
	}
}

// blob gives an object, empty when there is none.
func (f *fake) blob(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.objects[name])
}

func TestACutDownloadIsAnError(t *testing.T) {
	f := newFake(t)
	const size = 30 << 20
	if err := f.opened().Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err != nil {
		t.Fatal(err)
	}
	s, p := throughProxy(t, f)
	r, err := s.Get(t.Context(), "1/a")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyN(io.Discard, r, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if more, err := io.Copy(io.Discard, r); err == nil || n+more >= size {
		t.Errorf("got %d bytes of %d and %v, want a part and an error", n+more, size, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	blobstoretest.WantPattern(t, s, "1/a", size)
}

func TestASilentNetwork(t *testing.T) {
	f := newFake(t)
	if err := f.opened().Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 30 << 20}); err != nil {
		t.Fatal(err)
	}
	s, p := throughProxy(t, f)
	s.stall = 5 * time.Second // of a download that begins before
	begun, err := s.Get(t.Context(), "1/a")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(context.Context) error{
		"put": func(ctx context.Context) error { return s.Put(ctx, "1/b", strings.NewReader("rows")) },
		"put in pieces": func(ctx context.Context) error {
			return s.Put(ctx, "1/b", &blobstoretest.Pattern{Size: 20 << 20})
		},
		"get": func(ctx context.Context) error {
			_, err := s.Get(ctx, "1/a")
			return err
		},
		"delete": func(ctx context.Context) error { return s.Delete(ctx, "1/b") }, // it may arrive later
	}
	p.Hold()
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want the deadline exceeded", name, err)
		}
		cancel()
	}
	// Without a deadline the store gives up when nothing moves.
	s.stall = 100 * time.Millisecond
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
	s.stall = stallTimeout
	blobstoretest.WantPattern(t, s, "1/a", 30<<20)
}

// A piece of an upload that stands still ends it: whoever waits would wait for every try.
func TestAStalledPiece(t *testing.T) {
	f := newFake(t)
	held := make(chan struct{})
	defer close(held)
	f.keep = func(start int64, piece []byte) (int, bool) {
		if start == pieceSize {
			<-held
		}
		return len(piece), false
	}
	s := f.opened()
	s.stall = 100 * time.Millisecond
	if err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 20 << 20}); !errors.Is(err, transfer.ErrStalled) {
		t.Errorf("got %v, want that nothing has moved", err)
	}
}

func TestTheServerRestarts(t *testing.T) {
	server := servertest.StartGCS(t)
	s := open(t, Config{Bucket: server.Bucket(t), Endpoint: server.Endpoint})
	for name, end := range map[string]func(){"stopped": server.Stop, "crashed": server.Crash} {
		if err := s.Put(t.Context(), "1/a", strings.NewReader(name)); err != nil {
			t.Fatal(err)
		}
		end()
		_, err := s.Get(t.Context(), "1/a")
		for _, err := range []error{err, s.Put(t.Context(), "1/b", strings.NewReader("x")), s.Delete(t.Context(), "1/a")} {
			if err == nil || !fault.Retryable(err) {
				t.Errorf("%s: got %v, want an error to try again", name, err)
			}
		}
		server.Start(t)
		if got := content(t, s, "1/a"); got != name {
			t.Errorf("%s and started again: got %q, want %q", name, got, name)
		}
	}
}
