package transport

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// errInvalid is of a kind that is not tried again.
var errInvalid = fault.New(fault.Unprocessable, "bad", "it does not fit")

// deadPlant runs f with a plant over kind that has one dead batch, of receipt, and whose destination is mended.
func deadPlant(t *testing.T, kind string, s *shelf, f func(t *testing.T, p *plant, id, receipt string)) {
	t.Helper()
	mend := poison(s, errInvalid)
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, kind, destination.ByID{"1": s})
		p.open(newScript())
		p.start()
		receipt := p.insert("1", "poison", 7)
		p.wait(receipt, StateDead)
		mend()
		f(t, p, p.wantDead(1)[0].ID, receipt)
		p.close(true)
	})
}

func TestGravesKeepDestinationsApart(t *testing.T) {
	deadPlant(t, "memory", newShelf(), func(t *testing.T, p *plant, id, _ string) {
		ctx := t.Context()
		for name, ask := range map[string]func() error{
			"find":            func() error { _, err := p.graves.Find(ctx, "2", id); return err },
			"replay":          func() error { return p.graves.Replay(ctx, "2", id) },
			"drop":            func() error { return p.graves.Drop(ctx, "2", id) },
			"find another id": func() error { _, err := p.graves.Find(ctx, "1", "01HX0000000000000000000000"); return err },
		} {
			if err := ask(); !errors.Is(err, fault.NotFound) {
				t.Errorf("%s: got %v, want %v", name, err, fault.NotFound)
			}
		}
		if others, err := p.graves.List(ctx, "2"); err != nil || len(others) != 0 {
			t.Errorf("got %d dead batches of another destination (%v), want 0", len(others), err)
		}
		if _, err := p.graves.Find(ctx, "1", id); err != nil {
			t.Error(err)
		}
	})
}

func TestLiveBatchIsNotInTheGraves(t *testing.T) {
	bubble(t, destination.ByID{"1": newShelf()}, nil, func(t *testing.T, p *plant) {
		id := p.wait(p.insert("1", "events", 1), StateLoaded).Batch
		if err := p.graves.Drop(t.Context(), "", id); !errors.Is(err, fault.NotFound) {
			t.Errorf("drop of a loaded batch: got %v, want %v", err, fault.NotFound)
		}
	})
}

func TestDrop(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []scripted
	}{
		{"well", nil},
		{"blob not removed", []scripted{{Op: opDeleteBlob}}},
		{"blob removed, answer lost", []scripted{{Op: opDeleteBlob, Lost: true}}},
		{"record not removed", []scripted{{Op: opForget}}},
		{"record removed, answer lost", []scripted{{Op: opForget, Lost: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			deadPlant(t, "local", newShelf(), func(t *testing.T, p *plant, id, receipt string) {
				p.script.Add(tt.faults...)
				for range tt.faults {
					if err := p.graves.Drop(t.Context(), "1", id); !errors.Is(err, errScripted) {
						t.Errorf("got %v, want %v", err, errScripted)
					}
				}
				if err := p.graves.Drop(t.Context(), "1", id); err != nil && !errors.Is(err, fault.NotFound) {
					t.Errorf("once more: %v", err)
				}
				p.wantDead(0)
				if p.blobsLeft() != 0 {
					t.Error("the blob is left")
				}
				if _, err := p.receipts.Find(t.Context(), receipt); !errors.Is(err, fault.NotFound) {
					t.Errorf("got %v for the receipt, want %v", err, fault.NotFound)
				}
			})
		})
	}
}

// TestReplayFaults lets each step of a replay fail. The batch is loaded once in the end, at the latest when the person
// replays it again.
func TestReplayFaults(t *testing.T) {
	for _, op := range []string{opSend, opReceive, opRevive, opAttempt, opLoad, opSettle, opDelete} {
		for _, lost := range []bool{false, true} {
			for _, crash := range []bool{false, true} {
				t.Run(caseName("local", op, 0, nil, lost, crash), func(t *testing.T) {
					t.Parallel()
					s := newShelf()
					deadPlant(t, "local", s, func(t *testing.T, p *plant, id, receipt string) {
						p.script.Add(scripted{Op: op, Lost: lost, Crash: crash})
						err := p.graves.Replay(t.Context(), "1", id)
						if crash {
							p.awaitCrash()
							p.close(false)
							p.open(newScript())
							p.start()
						}
						if err != nil { // the person tries again
							if err := p.graves.Replay(t.Context(), "1", id); err != nil && !errors.Is(err, fault.NotFound) {
								t.Fatal(err)
							}
						}
						await(t, "the batch is not loaded", func() bool {
							rec, err := p.receipts.Find(t.Context(), receipt)
							return err == nil && rec.State == StateLoaded
						})
						p.awaitIdle()
						if left := p.script.Unused(); len(left) > 0 {
							t.Errorf("faults that did not happen: %+v", left)
						}
						p.wantOnce(s)
						p.wantDead(0)
						p.wantNoFiles("blobs")
					})
				})
			}
		}
	}
}

// TestReplayTwice sends two replays of the same death.
func TestReplayTwice(t *testing.T) {
	s := newShelf()
	deadPlant(t, "memory", s, func(t *testing.T, p *plant, id, receipt string) {
		for range 2 {
			if err := p.graves.Replay(t.Context(), "1", id); err != nil && !errors.Is(err, fault.NotFound) {
				t.Fatal(err)
			}
		}
		sleep(t.Context(), time.Minute)
		p.wait(receipt, StateLoaded)
		p.awaitIdle()
		p.wantOnce(s)
	})
}
