package calls

import (
	"context"
	"errors"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

func TestCloseEndsWhatWasStarted(t *testing.T) {
	g := New()
	ended := make(chan struct{})
	if !g.Start(func(ctx context.Context) {
		<-ctx.Done()
		close(ended)
	}) {
		t.Fatal("got false, want that it is started")
	}
	if err := g.Err(); err != nil {
		t.Errorf("open: got %v, want nil", err)
	}
	if !g.Close() || g.Close() {
		t.Error("want that the first close is the first")
	}
	g.Wait()
	select {
	case <-ended:
	default:
		t.Error("the work goes on after Wait")
	}
	if err := g.Err(); !errors.Is(err, fault.Closed) {
		t.Errorf("closed: got %v, want fault.Closed", err)
	}
	if g.Start(func(context.Context) { t.Error("started after Close") }) {
		t.Error("got true, want that nothing is started after Close")
	}
}

func TestBound(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(g *Group, cancel context.CancelFunc)
	}{
		{"ends with its parent", func(_ *Group, cancel context.CancelFunc) { cancel() }},
		{"ends with the group", func(g *Group, _ context.CancelFunc) { g.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := New()
			parent, cancel := context.WithCancel(t.Context())
			defer cancel()
			bound, release := g.Bound(parent)
			defer release()
			if err := bound.Err(); err != nil {
				t.Errorf("before: got %v, want nil", err)
			}
			tt.end(g, cancel)
			<-bound.Done()
		})
	}
	g := New()
	bound, release := g.Bound(t.Context())
	release()
	if err := bound.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("released: got %v, want context canceled", err)
	}
}
