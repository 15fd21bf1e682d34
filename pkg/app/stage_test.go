package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// diary notes what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !reflect.DeepEqual(d.lines, want) {
		t.Errorf("what happened\n got %q\nwant %q", d.lines, want)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// part is a stage that takes hold to finish what it has when it is stopped.
func (d *diary) part(name string, hold time.Duration) stage {
	return stage{name: name, run: func(ctx context.Context) error {
		<-ctx.Done()
		d.note("%s asked to stop", name)
		time.Sleep(hold)
		d.note("%s finished", name)
		return nil
	}}
}

func TestStagesStopLastToFirstEachAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, stop)
		stages := []stage{d.part("workers", time.Second), d.part("writer", 2*time.Second), d.part("http", 3*time.Second)}
		begin := time.Now()
		if err := runStages(ctx, stages, 10*time.Second, quiet()); err != nil {
			t.Errorf("runStages: got %v, want nil", err)
		}
		d.want(t, "http asked to stop", "http finished", "writer asked to stop", "writer finished",
			"workers asked to stop", "workers finished")
		if got, want := time.Since(begin), time.Hour+6*time.Second; got != want {
			t.Errorf("took %v, want %v", got, want)
		}
	})
}

func TestStageThatFailsStopsTheRest(t *testing.T) {
	broken := errors.New("disk broke")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"with an error", broken, "writer ended: disk broke"},
		{"without one", nil, "writer ended: it returned without being asked to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := new(diary)
				writer := stage{name: "writer", run: func(context.Context) error {
					time.Sleep(time.Minute)
					return tt.err
				}}
				err := runStages(t.Context(), []stage{d.part("workers", 0), writer, d.part("http", 0)}, time.Second, quiet())
				if err == nil || err.Error() != tt.want {
					t.Errorf("runStages: got %v, want %s", err, tt.want)
				}
				if tt.err != nil && !errors.Is(err, tt.err) {
					t.Errorf("got %v, want it to wrap %v", err, tt.err)
				}
				d.want(t, "http asked to stop", "http finished", "workers asked to stop", "workers finished")
			})
		})
	}
}

func TestStagesAreKilledAfterTheDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		killed := make(chan struct{})
		slow := stage{
			name: "http",
			run:  func(context.Context) error { <-killed; d.note("http cut"); return nil },
			kill: func() { d.note("http killed"); close(killed) },
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		begin := time.Now()
		err := runStages(ctx, []stage{d.part("workers", time.Millisecond), slow}, 5*time.Second, quiet())
		if err == nil || !strings.Contains(err.Error(), "stop http: not within the drain timeout") {
			t.Errorf("got %v, want that http did not stop within the drain timeout", err)
		}
		if errors.Is(err, errStuck) {
			t.Errorf("got %v, want nothing stuck", err)
		}
		d.want(t, "http killed", "http cut", "workers asked to stop", "workers finished")
		if got := time.Since(begin); got > 6*time.Second {
			t.Errorf("took %v, want the drain timeout for all stages together", got)
		}
	})
}

func TestStageThatNeverEndsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		forever := make(chan struct{})
		stuck := stage{name: "workers", run: func(context.Context) error { <-forever; return nil }}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		err := runStages(ctx, []stage{stuck, d.part("http", 0)}, time.Second, quiet())
		if !errors.Is(err, errStuck) || !strings.Contains(err.Error(), "stop workers") {
			t.Errorf("got %v, want that workers are stuck", err)
		}
		d.want(t, "http asked to stop", "http finished")
		close(forever)
	})
}

func TestErrorWhileStoppingIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("last sync failed")
		writer := stage{name: "writer", run: func(ctx context.Context) error { <-ctx.Done(); return broken }}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := runStages(ctx, []stage{writer}, time.Second, quiet()); !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
	})
}

// A part that is fed by the one stopped before it comes to its end by itself, and is not stopped before that.
func TestPartThatRunsDryIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dry := make(chan struct{})
		uploader := stage{name: "uploader", dry: true, run: func(ctx context.Context) error {
			<-dry
			time.Sleep(4 * time.Second)
			return ctx.Err()
		}}
		writer := stage{name: "writer", run: func(ctx context.Context) error { <-ctx.Done(); close(dry); return nil }}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := runStages(ctx, []stage{uploader, writer}, 10*time.Second, quiet()); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestPartThatDoesNotRunDryIsStoppedHalfWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		uploader := d.part("uploader", time.Second)
		uploader.dry = true
		ctx, stop := context.WithCancel(t.Context())
		stop()
		begin := time.Now()
		if err := runStages(ctx, []stage{uploader}, 10*time.Second, quiet()); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		if got, want := time.Since(begin), 6*time.Second; got != want {
			t.Errorf("took %v, want %v", got, want)
		}
		d.want(t, "uploader asked to stop", "uploader finished")
	})
}

// One that is done before it is its turn has not failed.
func TestPartThatEndsWhileOthersStopIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		uploader := stage{name: "uploader", run: func(context.Context) error { <-done; return nil }}
		writer := stage{name: "writer", run: func(ctx context.Context) error { <-ctx.Done(); close(done); synctest.Wait(); return nil }}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := runStages(ctx, []stage{uploader, writer}, time.Second, quiet()); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

// Many starts and stops, some from within, at moments of all kinds, must end each stage once and in order.
func TestStagesStress(t *testing.T) {
	const rounds, parts = 500, 4
	for round := range rounds {
		var mu sync.Mutex
		var order []int
		stages := make([]stage, parts)
		for i := range stages {
			stages[i] = stage{name: fmt.Sprint(i), run: func(ctx context.Context) error {
				<-ctx.Done()
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				return nil
			}}
		}
		if round%3 == 0 {
			stages[round%parts].run = func(context.Context) error { return errors.New("broken") }
		}
		ctx, stop := context.WithCancel(t.Context())
		if round%2 == 0 {
			stop()
		} else {
			go stop()
		}
		err := runStages(ctx, stages, time.Minute, quiet())
		stop()
		want := []int{3, 2, 1, 0}
		if round%3 == 0 {
			broken := round % parts
			want = append(want[:parts-1-broken:parts-1-broken], want[parts-broken:]...)
		}
		if failed := round%3 == 0; (err != nil) != failed {
			t.Fatalf("round %d: got %v, want an error: %t", round, err, failed)
		}
		if !reflect.DeepEqual(order, want) {
			t.Fatalf("round %d: stopped %v, want %v", round, order, want)
		}
	}
}

func TestStageIsStoppedAfterItsRest(t *testing.T) {
	const drain = 10 * time.Second
	for _, tt := range []struct {
		name string
		rest time.Duration // that the rest would take
		took time.Duration
	}{
		{"done in time", 3 * time.Second, 4 * time.Second},
		{"not done in half of the time", time.Hour, drain/2 + time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := new(diary)
				s := d.part("workers", time.Second)
				s.rest = func(ctx context.Context) {
					d.note("rest begins")
					select {
					case <-time.After(tt.rest):
					case <-ctx.Done():
					}
				}
				ctx, stop := context.WithCancel(t.Context())
				time.AfterFunc(time.Hour, stop)
				begin := time.Now()
				if err := runStages(ctx, []stage{s}, drain, quiet()); err != nil {
					t.Errorf("runStages: got %v, want nil", err)
				}
				d.want(t, "rest begins", "workers asked to stop", "workers finished")
				if got := time.Since(begin) - time.Hour; got != tt.took {
					t.Errorf("took %v, want %v", got, tt.took)
				}
			})
		})
	}
}

// Nothing is waited for that only a stage which has ended could do.
func TestStageThatFailedHasNoRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage{name: "workers", run: func(context.Context) error { return errors.New("broken") },
			rest: func(ctx context.Context) { <-ctx.Done() }}
		begin := time.Now()
		if err := runStages(t.Context(), []stage{s}, time.Minute, quiet()); err == nil {
			t.Error("runStages: got nil, want the error")
		}
		if got := time.Since(begin); got != 0 {
			t.Errorf("took %v, want no time", got)
		}
	})
}
