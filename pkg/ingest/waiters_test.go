package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// answer is what an insert was told.
type answer struct {
	in  Inserted
	err error
}

var events = schema.TableOfKey("", "events")

// send inserts in the background.
func send(ctx context.Context, w *Writer, key string, body io.Reader, to chan<- answer) {
	go func() {
		in, err := w.Insert(ctx, "d", events, body, Options{Key: key, RowIDs: true})
		to <- answer{in, err}
	}()
}

// heldBody is one that comes to its end when the gate opens.
func heldBody(text string, gate <-chan struct{}, end io.Reader) io.Reader {
	return io.MultiReader(strings.NewReader(text), gateReader(gate), end)
}

type gateReader <-chan struct{}

func (g gateReader) Read([]byte) (int, error) {
	<-g
	return 0, io.EOF
}

// wantOneFirst wants one of the answers to be the first, and all others to be the same again.
func wantOneFirst(t *testing.T, answers []answer) Inserted {
	t.Helper()
	var first []Inserted
	for _, a := range answers {
		if a.err == nil && !a.in.Replayed {
			first = append(first, a.in)
		}
	}
	if len(first) != 1 {
		t.Fatalf("%d inserts were the first, want 1: %+v", len(first), answers)
	}
	for _, a := range answers {
		if a.err != nil || a.in.Receipt != first[0].Receipt || fmt.Sprint(a.in.RowIDs) != fmt.Sprint(first[0].RowIDs) {
			t.Errorf("got %+v, %v, want the answer of the first, %+v", a.in, a.err, first[0])
		}
	}
	return first[0]
}

func take(from <-chan answer, n int) (list []answer) {
	for range n {
		list = append(list, <-from)
	}
	return list
}

// While the first insert is in progress the same ones wait, and get its answer. One under another key does not wait.
func TestSameInsertsWait(t *testing.T) {
	const waiters = 5
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		gate, first, others := make(chan struct{}), make(chan answer, 1), make(chan answer, waiters)
		send(t.Context(), w, "key", heldBody(`{"a":1}`, gate, strings.NewReader("")), first)
		synctest.Wait()
		for range waiters {
			send(t.Context(), w, "key", strings.NewReader(`{"a":1}`), others)
		}
		reused := make(chan answer, 1)
		send(t.Context(), w, "key", strings.NewReader(`{"a":2}`), reused)
		if in := insert(t, w, `{"a":1}`, Options{Key: "another"}); in.Replayed {
			t.Errorf("got %+v under another key, want it stored", in)
		}
		synctest.Wait()
		if len(first)+len(others)+len(reused) != 0 {
			t.Error("inserts were answered while the first is in progress")
		}
		close(gate)
		if in := wantOneFirst(t, append(take(others, waiters), <-first)); in.Rows != 1 {
			t.Errorf("got %+v, want a row", in)
		}
		a := <-reused
		wantReused(t, a.in, a.err)
		if got := len(idsIn(t, w, open)); got != 2 {
			t.Errorf("got %d rows, want 2", got)
		}
	})
}

// When the first one fails, one of those who wait becomes the first.
func TestWaiterBecomesTheFirst(t *testing.T) {
	broken := func(err error) func(d *drive) {
		return func(d *drive) {
			d.onSync = func() error {
				d.set(func(d *drive) { d.onSync = nil })
				return err
			}
		}
	}
	for _, tt := range []struct {
		name string
		end  io.Reader // of the first one's body
		rig  func(d *drive)
		want func(err error) bool
	}{
		{"a body that is no JSON", strings.NewReader(`{"a"`), nil, func(err error) bool { return fault.Of(err) == fault.Invalid }},
		{"the client went away", iotest.ErrReader(errBody), nil, func(err error) bool { return errors.Is(err, errBody) }},
		{"a failed sync", strings.NewReader(""), broken(errDrive), func(err error) bool { return errors.Is(err, errDrive) }},
		{"a full disk", strings.NewReader(""), broken(syscall.ENOSPC), func(err error) bool { return fault.CodeOf(err) == "disk_full" }},
		{"a failed write", strings.NewReader(""), func(d *drive) {
			d.onWrite = func(b []byte) (int, error) {
				d.set(func(d *drive) { d.onWrite = nil })
				return len(b) / 2, errDrive
			}
		}, func(err error) bool { return errors.Is(err, errDrive) }},
		{"a failed write that cannot be cut", strings.NewReader(""), func(d *drive) {
			d.onCut = failing(errDrive)
			d.onWrite = func(b []byte) (int, error) {
				d.set(func(d *drive) { d.onWrite = nil })
				return len(b), errDrive
			}
		}, func(err error) bool { return errors.Is(err, errDrive) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, nil)
				if d := rig(w); tt.rig != nil {
					tt.rig(d)
				}
				const waiters = 5
				gate, first, others := make(chan struct{}), make(chan answer, 1), make(chan answer, waiters)
				send(t.Context(), w, "key", heldBody(`{"a":1}`, gate, tt.end), first)
				synctest.Wait()
				for range waiters {
					send(t.Context(), w, "key", strings.NewReader(`{"a":1}`), others)
				}
				synctest.Wait()
				close(gate)
				if a := <-first; !tt.want(a.err) || a.in.Receipt != "" {
					t.Errorf("the first got %+v, %v", a.in, a.err)
				}
				in := wantOneFirst(t, take(others, waiters))
				sealAll(w)
				wantIDs(t, w, in.RowIDs, ready)
				wantNone(t, w, open, incoming)
				wantNoClaims(t, w)
			})
		})
	}
}

// Who waits may give up; the others still wait, and the first goes on.
func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		gate, first, impatient, patient := make(chan struct{}), make(chan answer, 1), make(chan answer, 1), make(chan answer, 1)
		send(t.Context(), w, "key", heldBody(`{"a":1}`, gate, strings.NewReader("")), first)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		send(ctx, w, "key", strings.NewReader(`{"a":1}`), impatient)
		send(t.Context(), w, "key", strings.NewReader(`{"a":1}`), patient)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if len(impatient) != 0 {
			t.Errorf("got %+v before the context's end, want it to wait", <-impatient)
		}
		time.Sleep(2 * time.Second)
		if a := <-impatient; !errors.Is(a.err, context.DeadlineExceeded) || a.in.Receipt != "" {
			t.Errorf("got %+v, want the context's end", a)
		}
		synctest.Wait()
		if len(first)+len(patient) != 0 {
			t.Error("another one ended too")
		}
		close(gate)
		in := wantOneFirst(t, []answer{<-first, <-patient})
		wantIDs(t, w, in.RowIDs, open)
	})
}

// Run waits for those who wait, and its end does not leave them waiting.
func TestStopWhileSameInsertsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		stop := running(t, w)
		gate, answers, stopped := make(chan struct{}), make(chan answer, 3), make(chan struct{})
		send(t.Context(), w, "key", heldBody(`{"a":1}`, gate, strings.NewReader("")), answers)
		synctest.Wait()
		for range 2 {
			send(t.Context(), w, "key", strings.NewReader(`{"a":1}`), answers)
		}
		synctest.Wait()
		go func() { stop(); close(stopped) }()
		synctest.Wait()
		select {
		case <-stopped:
			t.Error("Run ended while inserts wait")
		default:
		}
		close(gate)
		in := wantOneFirst(t, take(answers, 3))
		<-stopped
		wantIDs(t, w, in.RowIDs, ready)
	})
}

// The same inserts at once, some under one key and some under another, are there once each.
func TestConcurrentSameInserts(t *testing.T) {
	const keys, each = 4, 50
	for _, body := range []string{`[{"a":1},{"a":2}]`, bodyOf(rowsOfOwn)} {
		w := newWriter(t, func(c *Config) { c.MaxRows, c.Inline = 3, 100<<10 })
		stop := running(t, w)
		answers := [keys]chan answer{}
		for k := range answers {
			answers[k] = make(chan answer, each)
		}
		for range each {
			for k := range answers {
				send(t.Context(), w, fmt.Sprint("key", k), strings.NewReader(body), answers[k])
			}
		}
		var ids []string
		for _, from := range answers {
			ids = append(ids, wantOneFirst(t, take(from, each)).RowIDs...)
		}
		stop()
		wantIDs(t, w, ids, ready)
		wantNone(t, w, open, incoming)
		wantNoClaims(t, w)
	}
}
