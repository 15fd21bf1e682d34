package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// patient is a destination that is as well as answer says.
type patient struct {
	destination.Destination // nothing else of it is called
	answer                  atomic.Pointer[func(ctx context.Context) error]
	asked, inside           atomic.Int32
	crowded                 atomic.Bool // it was looked at twice at a time
}

func newPatient(answer func(ctx context.Context) error) *patient {
	p := new(patient)
	p.be(answer)
	return p
}

func (p *patient) be(answer func(ctx context.Context) error) { p.answer.Store(&answer) }

func (p *patient) Query(ctx context.Context, sql string, _ []any, out result.Writer) error {
	p.asked.Add(1)
	if p.inside.Add(1) > 1 {
		p.crowded.Store(true)
	}
	defer p.inside.Add(-1)
	if sql != "SELECT 1" {
		return fault.New(fault.Invalid, "bad_sql", "asked for %s", sql)
	}
	if err := (*p.answer.Load())(ctx); err != nil {
		return err
	}
	return errors.Join(out.Begin(nil), out.Write(new(vector.Batch)), out.End())
}

func (p *patient) Close() error { return nil }

func well(context.Context) error { return nil }

// sick answers with err.
func sick(err error) func(context.Context) error { return func(context.Context) error { return err } }

// hangs answers when its context ends.
func hangs(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// ward is a Checker that runs, and what it says.
type ward struct {
	*Checker
	log  *logBuffer
	stop func()
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// lines gives the messages of the log since the last call.
func (b *logBuffer) lines() (messages []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.text.String()) {
		_, message, _ := strings.Cut(line, `msg="`)
		message, _, _ = strings.Cut(message, `"`)
		messages = append(messages, message)
	}
	b.text.Reset()
	return messages
}

// never is a Reopener of what is to be left alone.
func never(t *testing.T) Reopener {
	return func(_ context.Context, id string, _ func(context.Context) error) (bool, error) {
		t.Errorf("destination %s was to be opened anew", id)
		return false, nil
	}
}

// run runs a Checker until the test ends, or stop is called.
func run(t *testing.T, dests *destination.Set, reopen Reopener) *ward {
	w := &ward{log: new(logBuffer)}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	w.Checker = New(DefaultConfig(), dests, reopen, log, NewMetrics(prometheus.NewRegistry()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v", err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

func (w *ward) wantReasons(t *testing.T, want ...string) {
	t.Helper()
	if got := w.Reasons(); !slices.Equal(got, want) {
		t.Errorf("reasons\n got %q\nwant %q", got, want)
	}
}

func (w *ward) wantLog(t *testing.T, want ...string) {
	t.Helper()
	if got := w.log.lines(); !slices.Equal(got, want) {
		t.Errorf("log\n got %q\nwant %q", got, want)
	}
}

func (w *ward) wantUp(t *testing.T, id string, want float64) {
	t.Helper()
	if got := testutil.ToFloat64(w.m.up.WithLabelValues(id)); got != want {
		t.Errorf("scratchdata_destination_up of %s: got %v, want %v", id, got, want)
	}
}

// next waits until the next looks have ended.
func next() {
	time.Sleep(DefaultConfig().Every)
	synctest.Wait()
}

const (
	silent = "destination does not answer"
	again  = "destination answers again"
)

func TestChangesOfState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newPatient(well), newPatient(well)
		w := run(t, destination.NewSet(destination.ByID{"1": one, "2": two}), never(t))
		synctest.Wait() // the first look is at once
		w.wantUp(t, "1", 1)
		w.wantReasons(t)
		busy := fault.New(fault.Busy, "io", "the disk is busy")
		for _, step := range []struct {
			name    string
			answer  func(context.Context) error
			reasons []string
			log     []string
			up      float64
		}{
			{"well", well, nil, nil, 1},
			{"an error without a kind", sick(errors.New("dsn user:hunter2@db")), []string{"destination 1 does not answer: the log says why"}, []string{silent}, 0},
			{"another error: no news", sick(busy), []string{"destination 1 does not answer: the disk is busy"}, nil, 0},
			{"well again", well, nil, []string{again}, 1},
			{"and still", well, nil, nil, 1},
			{"a kind with a cause", sick(fmt.Errorf("hunter2: %w", busy)), []string{"destination 1 does not answer: the disk is busy"}, []string{silent}, 0},
			{"and well once more", well, nil, []string{again}, 1},
		} {
			one.be(step.answer)
			next()
			t.Log(step.name)
			w.wantReasons(t, step.reasons...)
			w.wantLog(t, step.log...)
			w.wantUp(t, "1", step.up)
			w.wantUp(t, "2", 1)
		}
		if got := two.asked.Load(); got != 8 {
			t.Errorf("the other was looked at %d times, want 8", got)
		}
	})
}

// A destination that takes longer than a look may, but heeds the context.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatient(hangs)
		w := run(t, destination.NewSet(destination.ByID{"1": p}), never(t))
		time.Sleep(DefaultConfig().Timeout - time.Second)
		synctest.Wait()
		w.wantReasons(t)
		time.Sleep(time.Second)
		synctest.Wait()
		w.wantReasons(t, "destination 1 does not answer: nothing came within 10s")
		w.wantLog(t, silent)
		p.be(well)
		next()
		w.wantReasons(t)
	})
}

// One that heeds no context is not looked at twice at a time, and keeps no other from being looked at; Run waits for it.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck := newPatient(func(context.Context) error { <-release; return nil })
		other := newPatient(well)
		w := run(t, destination.NewSet(destination.ByID{"1": stuck, "2": other}), never(t))
		synctest.Wait()
		w.wantReasons(t) // nobody knows yet
		for range 5 {
			next()
			w.wantReasons(t, "destination 1 does not answer: nothing came within 10s")
			w.wantUp(t, "1", 0)
		}
		w.wantLog(t, silent)
		if s, o := stuck.asked.Load(), other.asked.Load(); s != 1 || o != 6 {
			t.Errorf("looked at %d and %d times, want 1 and 6", s, o)
		}
		stopped := make(chan struct{})
		go func() { w.stop(); close(stopped) }()
		synctest.Wait()
		select {
		case <-stopped:
			t.Error("Run returned while a look was in progress")
		default:
		}
		close(release)
		<-stopped
		if stuck.crowded.Load() {
			t.Error("it was looked at twice at a time")
		}
	})
}

// A look that ends because the program stops says nothing of the destination.
func TestStopIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t, destination.NewSet(destination.ByID{"1": newPatient(hangs)}), never(t))
		synctest.Wait()
		w.stop()
		w.wantReasons(t)
		w.wantLog(t)
	})
}

func TestRemovedDestinationsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dests := destination.NewSet(destination.ByID{"1": newPatient(sick(fault.Busy)), "2": newPatient(well)})
		w := run(t, dests, never(t))
		synctest.Wait()
		w.wantReasons(t, "destination 1 does not answer: busy")
		if err := dests.Remove(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		next()
		w.wantReasons(t)
		if n := testutil.CollectAndCount(w.m.up); n != 1 {
			t.Errorf("got %d destinations measured, want 1", n)
		}
		if err := dests.Add("1", newPatient(well)); err != nil {
			t.Fatal(err)
		}
		next()
		w.wantUp(t, "1", 1)
	})
}
