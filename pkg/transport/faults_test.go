package transport

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

// TestFaultTable lets each step of a batch's way fail once, in every way: the call is not made or its answer is lost,
// and the process goes on or dies there and another takes over its folder. Whatever happens, every acknowledged row must
// be in its table exactly once in the end, and nothing be left on the way; the inserts that have a key are sent again after
// each crash, and in the end.
func TestFaultTable(t *testing.T) {
	for _, kind := range []string{"memory", "local"} {
		for _, step := range []struct {
			op     string
			skip   int      // so many calls work before
			before []string // faults that lead there
		}{
			{op: opPut}, {op: opShipped}, {op: opSend}, {op: opDone}, {op: opReceive}, {op: opAttempt}, {op: opGet},
			{op: opLoad}, {op: opSettle}, {op: opDeleteBlob}, {op: opDelete}, {op: opNote}, {op: opRemember},
			{op: opLoad, skip: 1}, {op: opLoad, skip: 2}, // between a batch's tables
			{op: opHide, before: []string{opLoad}},
			{op: opSettle, before: []string{opLoad}}, // of the failed try
			{op: opAttempt, before: []string{opDelete}},
			{op: opDeleteBlob, before: []string{opDelete}},
		} {
			for _, lost := range []bool{false, true} {
				for _, crash := range []bool{false, true} {
					t.Run(caseName(kind, step.op, step.skip, step.before, lost, crash), func(t *testing.T) {
						t.Parallel()
						var faults []scripted
						for _, op := range step.before {
							faults = append(faults, scripted{Op: op})
						}
						faults = append(faults, scripted{Op: step.op, Skip: step.skip, Lost: lost, Crash: crash})
						synctest.Test(t, func(t *testing.T) { surviveFaults(t, kind, faults) })
					})
				}
			}
		}
	}
}

func caseName(kind, op string, skip int, before []string, lost, crash bool) string {
	name := kind + "/" + op
	if skip > 0 {
		name += fmt.Sprintf(", number %d", skip+1)
	}
	for _, b := range before {
		name += " after " + b
	}
	if lost {
		name += ", answer lost"
	} else {
		name += ", not applied"
	}
	if crash {
		return name + ", restart"
	}
	return name
}

func surviveFaults(t *testing.T, kind string, faults []scripted) {
	s := newShelf()
	p := newPlant(t, kind, destination.ByID{"1": s})
	p.open(newScript(faults...))
	var receipts []string
	for range 3 {
		receipts = append(receipts, p.insert("1", "events", 4), p.insertKeyed("1", "events", 2), p.insertOrder("1", "clicks", ""))
	}
	receipts = append(receipts, p.insertOrder("1", "clicks", "an order"))
	p.start()
	if faults[len(faults)-1].Crash {
		p.awaitCrash()
		p.close(false)
		p.open(newScript())
		p.sendAgain()
		receipts = append(receipts, p.insert("1", "events", 2), p.insertKeyed("1", "events", 1))
		p.start()
	}
	for _, receipt := range receipts {
		p.wait(receipt, StateLoaded)
	}
	p.sendAgain()
	p.awaitIdle()
	if left := p.script.Unused(); len(left) > 0 {
		t.Errorf("faults that did not happen: %+v", left)
	}
	p.wantOnce(s)
	n, _, err := p.control.Batches().Pending(t.Context())
	if err != nil || n != 0 {
		t.Errorf("got %d batches pending (%v), want 0", n, err)
	}
	p.close(true)
	p.wantNoFiles("ingest/ready")
	p.wantNoFiles("blobs")
}
