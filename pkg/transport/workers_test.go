package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// bubble runs f in a synctest bubble with a plant that is open and works.
func bubble(t *testing.T, dests destination.ByID, change func(p *plant), f func(t *testing.T, p *plant)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, "memory", dests)
		if change != nil {
			change(p)
		}
		p.open(newScript())
		p.start()
		f(t, p)
		p.close(true)
	})
}

// wait waits until the insert of receipt is loaded or dead, which must be state.
func (p *plant) wait(receipt, state string) Receipt {
	p.t.Helper()
	rec, err := p.receipts.Wait(p.t.Context(), receipt, testPatient)
	if err != nil || rec.State != state {
		p.t.Fatalf("receipt %s: got state %q (%v), want %q", receipt, rec.State, err, state)
	}
	return rec
}

func (p *plant) wantDead(n int) []control.Batch {
	p.t.Helper()
	dead, err := p.graves.List(p.t.Context(), "")
	if err != nil || len(dead) != n {
		p.t.Fatalf("got %d dead batches (%v), want %d: %+v", len(dead), err, n, dead)
	}
	return dead
}

// poison fails batches of 7 rows until it is mended.
func poison(s *shelf, err error) (mend func()) {
	var mended atomic.Bool
	s.Fail = func(b destination.Batch) error {
		if b.Rows == 7 && !mended.Load() {
			return err
		}
		return nil
	}
	return func() { mended.Store(true) }
}

func TestPoisonBatchDiesAndIsReplayed(t *testing.T) {
	for _, tt := range []struct {
		name     string
		err      error
		attempts int
	}{
		{"a failure that may pass", errors.New("the database is on fire"), 4},
		{"busy", fault.New(fault.Busy, "busy", "the database is on fire"), 4},
		{"one that cannot", fault.New(fault.Unprocessable, "bad", "the database is on fire"), 1},
		{"one that a stale memory may cause", fault.New(fault.Invalid, "bad", "the database is on fire"), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShelf()
			mend := poison(s, tt.err)
			bubble(t, destination.ByID{"1": s}, func(p *plant) { p.cfg.MaxAttempts = 4 }, func(t *testing.T, p *plant) {
				bad, good := p.insert("1", "poison", 7), p.insert("1", "events", 2)
				p.wait(good, StateLoaded)
				rec := p.wait(bad, StateDead)
				if rec.Attempts != tt.attempts || !strings.Contains(rec.Reason, "the database is on fire") || rec.Rows != 7 {
					t.Errorf("got %+v, want %d attempts and the reason", rec, tt.attempts)
				}
				p.wait(p.insert("1", "events", 3), StateLoaded) // the queue flows
				dead := p.wantDead(1)
				await(t, "the blobs left are not that of the dead batch alone", func() bool { return p.blobsLeft() == 1 })
				mend()
				if err := p.graves.Replay(t.Context(), "1", dead[0].ID); err != nil {
					t.Fatal(err)
				}
				await(t, "the batch is dead", func() bool {
					rec, err := p.receipts.Find(t.Context(), bad)
					return err == nil && rec.State == StateLoaded
				})
				p.wantDead(0)
				p.awaitIdle()
				p.wantOnce(s)
			})
		})
	}
}

func TestReplayedBatchHasAllItsAttemptsAgain(t *testing.T) {
	s := newShelf()
	poison(s, errors.New("still on fire"))
	bubble(t, destination.ByID{"1": s}, func(p *plant) { p.cfg.MaxAttempts = 3 }, func(t *testing.T, p *plant) {
		bad := p.insert("1", "poison", 7)
		first := p.wait(bad, StateDead)
		was := p.wantDead(1)[0]
		if err := p.graves.Replay(t.Context(), "", was.ID); err != nil {
			t.Fatal(err)
		}
		await(t, "the batch is not dead again", func() bool {
			b, err := p.graves.Find(t.Context(), "1", was.ID)
			return err == nil && b.Settled.After(was.Settled)
		})
		if again := p.wait(bad, StateDead); again.Attempts != first.Attempts {
			t.Errorf("got %d attempts after the replay, want %d", again.Attempts, first.Attempts)
		}
		// The queue delivers the replay's message once more: it was about the death before.
		stale, err := parseShipment(was.Message)
		if err != nil {
			t.Fatal(err)
		}
		stale.Died = was.Settled
		p.send(stale)
		p.awaitEmptyQueue()
		if b, err := p.graves.Find(t.Context(), "1", was.ID); err != nil || b.Attempts > first.Attempts+1 {
			t.Errorf("a replay of an earlier death made new attempts: %+v, %v", b, err)
		}
	})
}

// send puts a message into the queue.
func (p *plant) send(s Shipment) {
	p.t.Helper()
	message, err := s.encode()
	if err == nil {
		err = p.stores.Queue.Send(p.t.Context(), message)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func TestUnknownDestinationIsDead(t *testing.T) {
	bubble(t, destination.ByID{"1": newShelf()}, nil, func(t *testing.T, p *plant) {
		rec := p.wait(p.insert("9", "events", 1), StateDead)
		if !strings.Contains(rec.Reason, `no destination has the id "9"`) || rec.Attempts != 1 {
			t.Errorf("got %+v, want it dead at once for its destination", rec)
		}
	})
}

func TestUnreadableMessageIsKept(t *testing.T) {
	bubble(t, destination.ByID{"1": newShelf()}, nil, func(t *testing.T, p *plant) {
		const message = "not a shipment"
		for range 2 {
			if err := p.stores.Queue.Send(t.Context(), []byte(message)); err != nil {
				t.Fatal(err)
			}
		}
		p.wait(p.insert("1", "events", 1), StateLoaded)
		sleep(t.Context(), time.Minute)
		dead := p.wantDead(1)[0]
		if string(dead.Message) != message || !strings.Contains(dead.Reason, "cannot be read") {
			t.Errorf("got %+v, want the message and why it is dead", dead)
		}
		if err := p.graves.Replay(t.Context(), "", dead.ID); !errors.Is(err, fault.Unprocessable) {
			t.Errorf("replay: got %v, want %v", err, fault.Unprocessable)
		}
		if err := p.graves.Drop(t.Context(), "", dead.ID); err != nil {
			t.Error(err)
		}
		p.wantDead(0)
		p.awaitIdle()
	})
}

func TestMissingBlobIsDead(t *testing.T) {
	bubble(t, destination.ByID{"1": newShelf()}, nil, func(t *testing.T, p *plant) {
		s := Shipment{Batch: rowBatch(p), Destination: "1", Table: tableOf(t, "events"), Key: "1/events/gone.ndjson", Rows: 1,
			Created: time.Now(), Seen: []schema.Seen{{Name: "n", Kinds: 1 << schema.Int}}}
		p.send(s)
		await(t, "the batch is not dead", func() bool {
			b, err := p.graves.Find(t.Context(), "1", s.Batch)
			return err == nil && strings.HasPrefix(b.Reason, "the blob is missing: 1/events/gone.ndjson") && b.Attempts == 1
		})
	})
}

// TestCutBlobIsNotLoaded: a blob that ends between two rows has rows that can all be read.
func TestCutBlobIsNotLoaded(t *testing.T) {
	s := newShelf()
	bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
		var rows []byte
		tries := 0
		s.Wait = func(ctx context.Context, b destination.Batch) error {
			switch tries++; tries {
			case 1:
				r, err := b.Open(ctx)
				if err != nil {
					return err
				}
				if rows, err = io.ReadAll(r); err != nil {
					return err
				}
				first := bytes.IndexByte(rows, '\n') + 1
				return errors.Join(r.Close(), p.stores.Blobs.Put(ctx, KeyOf("1", tableOf(t, "events"), b.ID), bytes.NewReader(rows[:first])))
			case 2:
				return p.stores.Blobs.Put(ctx, KeyOf("1", tableOf(t, "events"), b.ID), bytes.NewReader(append(rows[:len(rows):len(rows)], rows...)))
			case 3:
				return p.stores.Blobs.Put(ctx, KeyOf("1", tableOf(t, "events"), b.ID), bytes.NewReader(rows))
			}
			return nil
		}
		receipt := p.insert("1", "events", 3)
		p.wait(receipt, StateLoaded)
		if tries != 3 {
			t.Errorf("the batch was loaded at try %d, want the third, when the blob was whole", tries)
		}
	})
}

// TestCrashesDoNotKillABatch: tries that ended with their process count, but one failure after them is not the last word.
func TestCrashesDoNotKillABatch(t *testing.T) {
	const crashes = 5
	s := newShelf()
	bubble(t, destination.ByID{"1": s}, func(p *plant) { p.cfg.MaxAttempts = 3 }, func(t *testing.T, p *plant) {
		const rows = `{"__row_id":"a"}` + "\n"
		b := Shipment{Batch: rowBatch(p), Destination: "1", Table: tableOf(t, "events"), Key: "1/events/a.ndjson", Rows: 1, Bytes: int64(len(rows)), Created: time.Now()}
		if err := p.stores.Blobs.Put(t.Context(), b.Key, strings.NewReader(rows)); err != nil {
			t.Fatal(err)
		}
		for range crashes {
			if _, err := p.control.Batches().Attempt(t.Context(), b.record(nil)); err != nil {
				t.Fatal(err)
			}
		}
		tries := 0
		s.Fail = func(known destination.Batch) error {
			if known.ID != b.Batch {
				return nil
			}
			if tries++; tries == 1 {
				return errors.New("the database is away")
			}
			return nil
		}
		p.send(b)
		if rec := p.wait(b.Batch, StateLoaded); tries != 2 || rec.Attempts != crashes+2 {
			t.Errorf("got %d tries and %+v, want 2 and the crashes counted", tries, rec)
		}
	})
}

// rowBatch gives a batch id that nothing else has.
func rowBatch(p *plant) string {
	p.t.Helper()
	rec, err := p.receipts.Find(p.t.Context(), p.insert("1", "other", 1))
	if err != nil {
		p.t.Fatal(err)
	}
	return rec.Batch[:len(rec.Batch)-12] + "ZZZZ00000000"
}

// TestForgottenBatchIsLoadedOnce sends a message again when nothing but the destination knows that its batch was loaded.
func TestForgottenBatchIsLoadedOnce(t *testing.T) {
	s := newShelf()
	bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
		var message []byte
		s.Wait = func(ctx context.Context, b destination.Batch) error {
			if message != nil {
				return nil
			}
			known, err := p.control.Batches().Find(ctx, b.ID)
			message = known.Message // which the record has until the batch is loaded
			return err
		}
		receipt := p.insert("1", "events", 3)
		p.wait(receipt, StateLoaded)
		sleep(t.Context(), time.Minute)
		if err := p.control.Prune(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := p.receipts.Find(t.Context(), receipt); !errors.Is(err, fault.NotFound) {
			t.Fatalf("got %v for a forgotten batch, want %v", err, fault.NotFound)
		}
		for range 4 {
			if err := p.stores.Queue.Send(t.Context(), message); err != nil {
				t.Fatal(err)
			}
		}
		p.awaitIdle()
		p.wantDead(0)
		p.wantOnce(s)
		if rec := p.wait(receipt, StateLoaded); rec.BatchRows != 3 {
			t.Errorf("got %d rows in the batch, want 3", rec.BatchRows)
		}
	})
}

func TestHangingDestinationDelaysNoOther(t *testing.T) {
	hanging, well := newShelf(), newShelf()
	gate := make(chan struct{})
	hanging.Wait = func(ctx context.Context, _ destination.Batch) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	synctest.Test(t, func(t *testing.T) {
		gate = make(chan struct{}) // of this bubble
		p := newPlant(t, "memory", destination.ByID{"hanging": hanging, "well": well})
		p.cfg.Count = 1
		p.open(newScript())
		p.start()
		var stuck []string
		for i := range 20 {
			stuck = append(stuck, p.insert("hanging", fmt.Sprintf("t%d", i), 1))
		}
		sleep(t.Context(), time.Hour) // lanes, pauses and leases have found their ways
		for range 5 {
			start := time.Now()
			p.wait(p.insert("well", "events", 1), StateLoaded)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("a row took %v beside a destination that hangs", took)
			}
		}
		close(gate)
		for i, receipt := range stuck {
			if rec := p.wait(receipt, StateLoaded); rec.Attempts != 1 {
				t.Errorf("batch %d: got %d attempts, want 1: waiting is none", i, rec.Attempts)
			}
		}
		p.awaitIdle()
		p.close(true)
	})
}

func TestLeaseIsExtendedWhileALoadRuns(t *testing.T) {
	s := newShelf()
	var loads atomic.Int32
	s.Wait = func(ctx context.Context, _ destination.Batch) error {
		loads.Add(1)
		sleep(ctx, testPatient/2) // many leases
		return nil
	}
	bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
		p.wait(p.insert("1", "events", 1), StateLoaded)
		p.awaitIdle()
		if got := loads.Load(); got != 1 {
			t.Errorf("got %d loads, want 1", got)
		}
	})
}

func TestLoadThatHangsIsGivenUp(t *testing.T) {
	s := newShelf()
	s.Wait = func(ctx context.Context, _ destination.Batch) error { <-ctx.Done(); return ctx.Err() }
	bubble(t, destination.ByID{"1": s}, func(p *plant) { p.cfg.Timeout, p.cfg.MaxAttempts = time.Minute, 2 },
		func(t *testing.T, p *plant) {
			rec := p.wait(p.insert("1", "events", 1), StateDead)
			if rec.Attempts != 2 || !strings.Contains(rec.Reason, context.DeadlineExceeded.Error()) {
				t.Errorf("got %+v, want 2 attempts that took too long", rec)
			}
		})
}

func TestStopFinishesTheLoadInHand(t *testing.T) {
	s := newShelf()
	var begun atomic.Bool
	s.Wait = func(ctx context.Context, _ destination.Batch) error {
		begun.Store(true)
		sleep(ctx, time.Minute)
		return ctx.Err()
	}
	bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
		receipt := p.insert("1", "events", 1)
		await(t, "no load has begun", begun.Load)
		p.stop()
		p.parts.Wait()
		if rec := p.wait(receipt, StateLoaded); rec.Attempts != 1 {
			t.Errorf("got %d attempts, want 1", rec.Attempts)
		}
		if p.blobsLeft() != 0 {
			t.Error("the blob of the load in hand is left")
		}
	})
}

func TestFullDiskPausesTheWorkers(t *testing.T) {
	s := newShelf()
	var free atomic.Int64
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, "memory", destination.ByID{"1": s})
		p.open(newScript())
		p.workers.disk.need = 100
		p.workers.disk.free = func(string) (int64, error) { return free.Load(), nil }
		p.start()
		receipt := p.insert("1", "events", 1)
		sleep(t.Context(), time.Minute)
		if s.Loaded() != 0 {
			t.Error("a batch was loaded though the disk is full")
		}
		if err := p.workers.Check(); !errors.Is(err, fault.Busy) {
			t.Errorf("check: got %v, want %v", err, fault.Busy)
		}
		free.Store(100)
		p.wait(receipt, StateLoaded)
		if err := p.workers.Check(); err != nil {
			t.Errorf("check: got %v, want none", err)
		}
		p.close(true)
	})
}

func TestFreeSpace(t *testing.T) {
	if free, err := freeSpace(t.TempDir()); err != nil || free <= 0 || free == math.MaxInt64 {
		t.Errorf("got %d bytes free (%v)", free, err)
	}
	if _, err := freeSpace(t.TempDir() + "/none"); err == nil {
		t.Error("got no error for a folder that does not exist")
	}
}

func TestWorkersConfigValidate(t *testing.T) {
	if err := DefaultWorkersConfig().Validate(); err != nil {
		t.Errorf("the default is not valid: %v", err)
	}
	err := WorkersConfig{FreeSpace: -1}.Validate()
	for _, want := range []string{"count: 0", "lease: 0s", "max_attempts: 0", "timeout: 0s", "free_space_required: -1", "back-off"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

// TestStartStopStress starts and stops the whole way at odd moments, with the real clock, and looks for lost rows.
func TestStartStopStress(t *testing.T) {
	s := newShelf()
	p := newPlant(t, "local", destination.ByID{"1": s})
	p.cfg.Lease, p.cfg.Backoff = time.Second, Backoff{First: 10 * time.Millisecond, Max: 50 * time.Millisecond}
	for i := range 20 {
		p.open(newScript())
		if i%3 == 0 {
			p.start()
		}
		var wg sync.WaitGroup
		wg.Go(func() { p.insert("1", "events", 3) })
		if i%3 == 1 {
			p.start()
		}
		wg.Wait()
		if i%3 == 2 {
			p.start()
		}
		sleep(t.Context(), time.Duration(i%7)*time.Millisecond)
		p.close(false)
	}
	p.open(newScript())
	p.start()
	p.awaitIdle()
	p.wantOnce(s)
	p.close(true)
}
