package transfer

import (
	"context"
	"crypto/md5" //nolint:gosec // any hash does
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestAWatchEndsWhatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWatch(t.Context(), time.Minute)
		defer w.End()
		body := w.Body(make([]byte, 10))
		for range 10 {
			time.Sleep(59 * time.Second)
			if _, err := body.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Context().Err(); err != nil {
			t.Fatalf("while it moves: got %v", err)
		}
		time.Sleep(61 * time.Second)
		if err := w.Because(w.Context().Err()); !errors.Is(err, ErrStalled) || errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want ErrStalled", err)
		}
	})
}

func TestAWatchThatHasEndedGivesTheErrorItself(t *testing.T) {
	broken := errors.New("broken")
	w := NewWatch(t.Context(), time.Minute)
	w.End()
	if got := w.Because(broken); !errors.Is(got, broken) {
		t.Errorf("got %v, want %v", got, broken)
	}
	if got := w.Because(nil); got != nil {
		t.Errorf("got %v for no error", got)
	}
}

// A transport that is still sending must not see what the buffer is used for next.
func TestNobodyReadsABodyAfterTheEnd(t *testing.T) {
	w := NewWatch(t.Context(), time.Minute)
	buf := []byte("rows of the first")
	body := w.Body(buf)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			if _, err := body.Read(make([]byte, 1)); err != nil {
				return
			}
			if _, err := body.Seek(0, io.SeekStart); err != nil {
				return
			}
		}
	}()
	w.End()
	copy(buf, "rows of the next!") // the race detector looks on
	<-read
	if n, err := body.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %d bytes and %v, want an error", n, err)
	}
}

func TestWhoeverReadsADownloadMayTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blob := strings.Repeat("rows", 10)
		w := NewWatch(t.Context(), time.Minute)
		d := Download(w, io.NopCloser(iotest.OneByteReader(strings.NewReader(blob))), int64(len(blob)), Sum{})
		for range blob {
			time.Sleep(time.Hour)
			if _, err := d.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Read(make([]byte, 10)); !errors.Is(err, io.EOF) || w.Context().Err() != nil {
			t.Errorf("got %v with %v, want io.EOF", err, w.Context().Err())
		}
		if err := d.Close(); err != nil || w.Context().Err() == nil {
			t.Errorf("close: got %v, and its context goes on", err)
		}
	})
}

func TestDownload(t *testing.T) {
	broken := errors.New("broken")
	sum := md5.Sum([]byte("rows")) //nolint:gosec // any hash does
	rows := func() io.Reader { return strings.NewReader("rows") }
	for _, tt := range []struct {
		name   string
		body   io.Reader
		length int64
		want   []byte // its MD5
		err    string // empty: it is whole
	}{
		{"whole", rows(), 4, sum[:], ""},
		{"whole, its end with its last bytes", iotest.DataErrReader(rows()), 4, sum[:], ""},
		{"empty", strings.NewReader(""), 0, nil, ""},
		{"cut", rows(), 5, nil, "the blob is cut: 4 of its 5 bytes have come: unexpected EOF"},
		{"cut to nothing", strings.NewReader(""), 5, nil, "the blob is cut: 0 of its 5 bytes have come: unexpected EOF"},
		{"longer than it should be", rows(), 3, nil, "the blob is cut: 4 of its 3 bytes have come: unexpected EOF"},
		{"damaged", strings.NewReader("rovs"), 4, sum[:], "the blob is damaged: its MD5 is 46f5629ae7bc17c280be6f7ea99c54d7, was df347a373b8f92aa0ae3dd920a5ec2f6"},
		{"broken", io.MultiReader(rows(), iotest.ErrReader(broken)), 4, sum[:], "broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Sum{Name: "MD5"}
			if tt.want != nil {
				s.Hash, s.Want = md5.New(), tt.want //nolint:gosec // any hash does
			}
			d := Download(NewWatch(t.Context(), time.Minute), io.NopCloser(tt.body), tt.length, s)
			_, err := io.ReadAll(d)
			if got := textOf(err); got != tt.err {
				t.Errorf("got  %s\nwant %s", got, tt.err)
			}
			want := err
			if want == nil {
				want = io.EOF
			}
			if n, again := d.Read(make([]byte, 1)); n != 0 || !errors.Is(again, want) {
				t.Errorf("a read afterwards: got %d and %v, want %v", n, again, want)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFill(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		r    io.Reader
		n    int
		err  error
	}{
		{"more than there is room for", strings.NewReader("rows and more"), 4, nil},
		{"as much as there is room for", strings.NewReader("rows"), 4, nil},
		{"as much, its end with its last bytes", iotest.DataErrReader(strings.NewReader("rows")), 4, ErrEnd},
		{"less", iotest.OneByteReader(strings.NewReader("row")), 3, ErrEnd},
		{"nothing", strings.NewReader(""), 0, ErrEnd},
		{"broken", io.MultiReader(strings.NewReader("ro"), iotest.ErrReader(broken)), 2, broken},
		{"cut", io.MultiReader(strings.NewReader("ro"), iotest.ErrReader(io.ErrUnexpectedEOF)), 2, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			buf := make([]byte, 4)
			n, err := Fill(tt.r, buf)
			if n != tt.n || !errors.Is(err, tt.err) || string(buf[:n]) != "rows"[:n] {
				t.Errorf("got %q and %v, want %d bytes and %v", buf[:n], err, tt.n, tt.err)
			}
		})
	}
}

func TestPiecesAreWholeAgain(t *testing.T) {
	p := NewPieces(8)
	b := p.Get()
	p.Put(b[:3])
	p.Put(make([]byte, 5)) // is none of them
	for range 3 {
		if got := p.Get(); len(got) != 8 {
			t.Errorf("got a piece of %d bytes, want 8", len(got))
		}
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
