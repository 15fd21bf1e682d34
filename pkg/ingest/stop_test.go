package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

func wantClosed(t *testing.T, err error) {
	t.Helper()
	if fault.Of(err) != fault.Closed || fault.CodeOf(err) != "shutting_down" || fault.AfterOf(err) <= 0 {
		t.Errorf("got %v, code %s, after %v, want shutting_down", err, fault.CodeOf(err), fault.AfterOf(err))
	}
}

// When Run's context ends new inserts are refused, those in progress finish, and everything is sealed.
func TestStop(t *testing.T) {
	for _, tt := range []struct {
		name   string
		inline int64 // what is in progress goes to the shared batch, or to its own file
	}{{"shared", 1 << 20}, {"own file", 100 << 10}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, func(c *Config) { c.Inline = tt.inline })
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- w.Run(ctx) }()
				before := insert(t, w, "{}", Options{Ack: AckMemory})
				r, body := io.Pipe()
				slow := make(chan Inserted, 1)
				go func() {
					in, err := w.Insert(t.Context(), "d", parseTable(t, "events"), r, Options{RowIDs: true})
					if err != nil {
						t.Error(err)
					}
					slow <- in
				}()
				write(t, body, bodyOf(3000))
				cancel()
				synctest.Wait()
				if len(ended) != 0 {
					t.Error("Run ended, want it to wait for the insert in progress")
				}
				wantClosed(t, insertFails(t, w, "{}", Options{}))
				wantClosed(t, w.Check())
				write(t, body, "{}")
				if err := body.Close(); err != nil {
					t.Fatal(err)
				}
				if err := <-ended; err != nil {
					t.Errorf("Run got %v, want nil", err)
				}
				wantIDs(t, w, concat(before, <-slow), ready)
				wantNone(t, w, open, incoming)
				wantClosed(t, insertFails(t, w, "{}", Options{}))
			})
		})
	}
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func TestStopWhenIdle(t *testing.T) {
	w := newWriter(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Errorf("Run got %v, want nil", err)
	}
	wantClosed(t, w.Check())
	if _, err := w.Next(t.Context()); err != io.EOF {
		t.Errorf("Next got %v, want io.EOF", err)
	}
}

// What cannot be sealed at the end stays, and the next start takes it up.
func TestStopWithABrokenDrive(t *testing.T) {
	w := newWriter(t, nil)
	d := rig(w)
	stop := running(t, w)
	in := insert(t, w, "{}", Options{})
	d.set(func(d *drive) { d.onClose = failing(errDrive) })
	stop()
	wantIDs(t, w, in.RowIDs, open)
	wantNone(t, w, ready)
	again := openDir(t, w.cfg.Dir, nil)
	wantIDs(t, again, in.RowIDs, ready)
	wantNone(t, again, open)
}

// Start and stop again and again while clients insert: every acknowledged row is ready exactly once.
func TestStartStopUnderLoad(t *testing.T) {
	const rounds, clients, least = 6, 8, 10
	dir := t.TempDir()
	var acknowledged []string
	for round := range rounds {
		w := openDir(t, dir, func(c *Config) {
			c.MaxRows, c.OpenFiles, c.Inline = 50, 2, 64<<10
		})
		stop := running(t, w)
		lists := make([][]string, clients)
		enough := make(chan struct{})
		var wg, warm sync.WaitGroup
		warm.Add(clients)
		go func() {
			warm.Wait()
			close(enough)
		}()
		for c := range clients {
			wg.Go(func() { lists[c] = insertUntilClosed(t, w, c, least, warm.Done) })
		}
		<-enough
		stop()
		wg.Wait()
		acknowledged = append(acknowledged, slices.Concat(lists...)...)
		wantNone(t, w, open, incoming, aside)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	w := openDir(t, dir, nil)
	wantIDs(t, w, acknowledged, ready)
	ship(t, w, len(batchesIn(t, w, ready)))
}

// insertUntilClosed inserts until that is refused, and returns the ids of the rows that were acknowledged. It calls
// warm when it has done least inserts.
func insertUntilClosed(t *testing.T, w *Writer, client, least int, warm func()) (ids []string) {
	table := parseTable(t, fmt.Sprint("t", client%4))
	for i := 0; ; i++ {
		if i == least {
			warm()
		}
		o := Options{Ack: [...]Ack{AckDisk, AckMemory}[i%2], RowIDs: true, Hurry: i%7 == 0}
		body := strings.Repeat("{}", i%5+1)
		if i%20 == client {
			body = bodyOf(1500) // past Inline
		}
		in, err := w.Insert(t.Context(), "d", table, strings.NewReader(body), o)
		if errors.Is(err, fault.Closed) && i >= least {
			return ids
		}
		if err != nil {
			t.Errorf("client %d, insert %d: %v", client, i, err)
			if i < least {
				warm()
			}
			return ids
		}
		ids = append(ids, in.RowIDs...)
	}
}
