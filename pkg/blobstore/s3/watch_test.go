package s3

import (
	"context"
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
		w := newWatch(t.Context(), time.Minute)
		defer w.end()
		for range 10 {
			time.Sleep(59 * time.Second)
			w.moved()
		}
		if err := w.ctx.Err(); err != nil {
			t.Fatalf("while it moves: got %v", err)
		}
		time.Sleep(61 * time.Second)
		if err := w.because(w.ctx.Err()); !errors.Is(err, errStalled) || errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that nothing has moved", err)
		}
	})
}

func TestAReaderMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t.Context(), time.Minute)
		w.rest()
		blob := strings.Repeat("rows", 10)
		d := &download{body: io.NopCloser(iotest.OneByteReader(strings.NewReader(blob))), w: w, left: int64(len(blob))}
		for range blob {
			time.Sleep(time.Hour)
			if _, err := d.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Read(make([]byte, 10)); err != io.EOF || w.ctx.Err() != nil {
			t.Errorf("got %v with %v, want io.EOF", err, w.ctx.Err())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}
