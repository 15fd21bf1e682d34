package ingest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// next takes a batch that is there.
func next(t *testing.T, w *Writer) Ready {
	t.Helper()
	r, err := w.Next(endedContext())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is told of a batch comes from its sidecar, and from its rows when that does not fit them.
func TestSidecarOfAReadyBatch(t *testing.T) {
	const good = `{"rows":3,"bytes":76,"seen":[{"name":"from","kinds":4}],"created":"2025-01-02T03:04:05Z"}`
	for _, tt := range []struct {
		name, sidecar string
		scanned       bool
	}{
		{"fits", good, false},
		{"none", "", true},
		{"empty", " ", true},
		{"cut off", good[:20], true},
		{"zeros", string(make([]byte, len(good))), true},
		{"of another file", `{"rows":3,"bytes":75,"seen":[],"created":"2025-01-02T03:04:05Z"}`, true},
		{"without rows", `{"rows":0,"bytes":76,"seen":[],"created":"2025-01-02T03:04:05Z"}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir, ready+"/"+planted, one+two)
			if tt.sidecar != "" {
				plant(t, dir, ready+"/"+ofSidecars, tt.sidecar)
			}
			r := next(t, openDir(t, dir, nil))
			want, created := "from:int", time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
			if tt.scanned {
				want, created = "a:int b:text", createdOf(batchID)
			}
			if got := seenText(r.Seen); got != want || !r.Created.Equal(created) {
				t.Errorf("got columns %q, created %v, want %q, %v", got, r.Created, want, created)
			}
			if r.Rows != 3 || r.Bytes != int64(len(one+two)) {
				t.Errorf("got %d rows and %d bytes, want 3 and %d", r.Rows, r.Bytes, len(one+two))
			}
		})
	}
}

// A batch that cannot be read is told of, so that it can be returned, and hides none of the others.
func TestDamagedReadyBatch(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, path string)
	}{
		{"cut off", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(one+tornRow), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"gone", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir, ready+"/"+planted, one)
			w := openDir(t, dir, nil)
			in := insert(t, w, "{}", Options{})
			sealAll(w)
			tt.spoil(t, filepath.Join(dir, ready, planted))
			r, err := w.Next(endedContext())
			if err == nil || r.Batch != batchID {
				t.Fatalf("got %+v, %v, want the batch's name and an error", r, err)
			}
			w.Return(r)
			if got := next(t, w).Batch; got != in.Batch {
				t.Errorf("then got batch %s, want %s", got, in.Batch)
			}
			if r, err := w.Next(endedContext()); err == nil || r.Batch != batchID {
				t.Errorf("then got %+v, %v, want the damaged batch again", r, err)
			}
		})
	}
}

func TestDoneAndReturn(t *testing.T) {
	w := newWriter(t, nil)
	var batches []string
	for range 3 {
		batches = append(batches, insert(t, w, "{}", Options{}).Batch)
		sealAll(w)
	}
	first := next(t, w)
	if first.Batch != batches[0] {
		t.Errorf("got batch %s, want the oldest, %s", first.Batch, batches[0])
	}
	w.Return(first)
	if second := next(t, w); second.Batch != batches[1] {
		t.Errorf("after a return got batch %s, want %s", second.Batch, batches[1])
	} else if err := w.Done(second); err != nil {
		t.Error(err)
	}
	for i, want := range []bool{true, false, true} {
		if got := holds(w, batches[i]); got != want {
			t.Errorf("batch %d is held: %v, want %v", i, got, want)
		}
	}
	wantGauges(t, w, 0, 2)
	for _, want := range []string{batches[2], batches[0]} {
		r := next(t, w)
		if r.Batch != want {
			t.Errorf("got batch %s, want %s", r.Batch, want)
		}
		if err := w.Done(r); err != nil {
			t.Error(err)
		}
	}
	wantNone(t, w, ready)
	wantGauges(t, w, 0, 0)
}

// The next owner may have moved the file: then there is less to remove.
func TestDoneWhenTheFileIsGone(t *testing.T) {
	w := newWriter(t, nil)
	insert(t, w, "{}", Options{})
	sealAll(w)
	r := next(t, w)
	if err := os.Remove(r.Path); err != nil {
		t.Fatal(err)
	}
	if err := w.Done(r); err != nil {
		t.Error(err)
	}
	wantNone(t, w, ready)
}

func TestDoneFails(t *testing.T) {
	w := newWriter(t, nil)
	r := Ready{Batch: batchID, Path: filepath.Join(w.cfg.Dir, ready, planted)}
	plant(t, r.Path, "in the way", "") // a folder in the file's place
	if err := w.Done(r); err == nil {
		t.Error("got nil, want an error: the file is still there")
	}
}

// A batch is held, and its age counts, from its first row until it is shipped.
func TestHoldsAndOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, func(c *Config) { c.MaxAge = time.Minute })
		want := func(when string, held bool, batch string, oldest time.Time, some bool) {
			t.Helper()
			if got := holds(w, batch); got != held {
				t.Errorf("%s: held is %v, want %v", when, got, held)
			}
			if at, ok := w.Oldest(); ok != some || !at.Equal(oldest) {
				t.Errorf("%s: oldest is %v, %v, want %v, %v", when, at, ok, oldest, some)
			}
		}
		want("empty", false, batchID, time.Time{}, false)
		start := time.Now()
		in := insert(t, w, "{}", Options{})
		want("open", true, in.Batch, start, true)
		time.Sleep(time.Second)
		sealAll(w)
		want("ready", true, in.Batch, start, true)
		later := insert(t, w, "{}", Options{})
		want("with a later one", true, later.Batch, start, true)
		r := next(t, w)
		want("out", true, in.Batch, start, true)
		w.Return(r)
		want("returned", true, in.Batch, start, true)
		if err := w.Done(next(t, w)); err != nil {
			t.Error(err)
		}
		want("shipped", false, in.Batch, start.Add(time.Second), true)
	})
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		defer running(t, w)()
		got := make(chan Ready, 2)
		for range cap(got) {
			go func() {
				r, err := w.Next(t.Context())
				if err != nil {
					t.Error(err)
				}
				got <- r
			}()
		}
		synctest.Wait()
		first := insert(t, w, "{}", Options{})
		time.Sleep(w.cfg.MaxAge + soon)
		second := insert(t, w, "{}", Options{})
		time.Sleep(w.cfg.MaxAge + soon)
		if a, b := (<-got).Batch, (<-got).Batch; a != first.Batch || b != second.Batch {
			t.Errorf("got batches %s and %s, want %s and %s, each once", a, b, first.Batch, second.Batch)
		}
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := w.Next(ctx)
			done <- err
		}()
		synctest.Wait()
		if len(done) != 0 {
			t.Fatalf("Next got %v, want it to wait", <-done)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}

// After Run has ended what is left is given out, and io.EOF only when nothing can come back.
func TestNextAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		stop := running(t, w)
		in := insert(t, w, "{}", Options{})
		stop()
		r := next(t, w)
		if r.Batch != in.Batch {
			t.Errorf("got batch %s, want %s", r.Batch, in.Batch)
		}
		again := make(chan Ready, 1)
		ended := make(chan error, 1)
		go func() {
			r, err := w.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			again <- r
			_, err = w.Next(t.Context())
			ended <- err
		}()
		synctest.Wait()
		if len(again) != 0 {
			t.Error("a second batch was given out, want Next to wait: the first may come back")
		}
		w.Return(r)
		r = <-again
		synctest.Wait()
		if len(ended) != 0 {
			t.Errorf("Next got %v while a batch is out, want it to wait", <-ended)
		}
		if err := w.Done(r); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != io.EOF {
			t.Errorf("got %v, want io.EOF", err)
		}
	})
}
