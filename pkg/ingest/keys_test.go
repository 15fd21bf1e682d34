package ingest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

var errKeys = errors.New("the store of keys is down")

// An insert whose key cannot be looked up fails and is not stored: it might have been before.
func TestKeyCannotBeLookedUp(t *testing.T) {
	l := newLives(t)
	l.keys.failFind = errKeys
	for range 2 {
		in, err := l.keyed("key", `{"a":1}`, Options{})
		if wantBusy(t, err, "keys_unknown"); !errors.Is(err, errKeys) || in.Receipt != "" {
			t.Errorf("got %+v, %v, want %v", in, err, errKeys)
		}
	}
	wantNone(t, l.w, incoming, open, ready)
	l.keys.failFind = nil
	in := l.first("key", `{"a":1}`, Options{})
	l.keys.failFind = errKeys
	l.again("key", `{"a":1}`, Options{}, in) // what is here need not be looked up
}

// An insert of no rows has nothing that could carry its key: the store must know it before it is answered.
func TestNoRowsAreRememberedAtOnce(t *testing.T) {
	l := newLives(t)
	l.keys.failRemember = errKeys
	if _, err := l.keyed("key", `[]`, Options{}); !errors.Is(err, errKeys) {
		t.Errorf("got %v, want %v", err, errKeys)
	}
	l.keys.failRemember = nil
	in := l.first("key", `[]`, Options{})
	if n := l.keys.count(); n != 1 {
		t.Errorf("%d keys are remembered, want 1", n)
	}
	wantNoClaims(t, l.w)
	l.again("key", `[]`, Options{}, in)
}

// A batch is not ready before the store knows its keys; then it is sealed, though nothing else happens.
func TestSealWaitsForTheKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLives(t)
		l.keys.failRemember = errKeys
		defer running(t, l.w)()
		in := l.first("key", `{"a":1}`, Options{RowIDs: true})
		other := l.first("", `{"a":2}`, Options{RowIDs: true})
		time.Sleep(time.Minute)
		wantReady(t, l.w, 0)
		wantIDs(t, l.w, concat(in, other), open)
		l.again("key", `{"a":1}`, Options{RowIDs: true}, in)
		l.keys.set(func(m *memoryKeys) { m.failRemember = nil })
		time.Sleep(sealAgain + soon)
		wantReady(t, l.w, 1)
		wantIDs(t, l.w, concat(in, other), ready)
		wantNoClaims(t, l.w)
		if n := l.keys.count(); n != 1 {
			t.Errorf("%d keys are remembered, want 1", n)
		}
		l.again("key", `{"a":1}`, Options{RowIDs: true}, in)
	})
}

// A batch of one insert's own is not given out before the store knows its key.
func TestNextWaitsForTheKeyOfAnOwnBatch(t *testing.T) {
	l := newLives(t)
	l.keys.failRemember = errKeys
	in := l.first("key", bodyOf(rowsOfOwn), Options{})
	for range 2 {
		r, err := l.w.Next(endedContext())
		if !errors.Is(err, errKeys) || r.Batch != in.Batch || r.Destination != "d" || r.Table != events {
			t.Fatalf("got %+v, %v, want the batch's name and %v", r, err, errKeys)
		}
		l.w.Return(r)
		l.again("key", bodyOf(rowsOfOwn), Options{}, in)
	}
	l.keys.failRemember = nil
	l.ship()
	l.wantRows(rowsOfOwn)
	wantNoClaims(t, l.w)
	l.again("key", bodyOf(rowsOfOwn), Options{}, in)
}

// A crash between a large insert's rename and the note of its key loses neither: the file has the key.
func TestCrashBeforeTheKeyIsNoted(t *testing.T) {
	for _, kind := range kindsOfInserts {
		if kind.rows < 1000 {
			continue
		}
		for _, sidecar := range []string{"whole", "none", "torn", "of another file"} {
			t.Run(kind.name+", sidecar "+sidecar, func(t *testing.T) {
				l := newLives(t)
				l.keys.failRemember = errKeys
				in := l.first("key", kind.body, kind.o)
				path := sidecarOf(filepath.Join(l.dir, ready, "d", "events", in.Batch+batchSuffix))
				spoilSidecar(t, path, sidecar)
				cfg := l.w.cfg
				if w, err := Open(cfg, rowid.NewSource(), l.keys, quiet(), freshMetrics()); !errors.Is(err, errKeys) {
					t.Errorf("got %v, %v, want no writer: somebody might send the insert again", w, err)
				}
				l.keys.failRemember = nil
				l.crash()
				if n := l.keys.count(); n != 1 {
					t.Errorf("%d keys are remembered, want 1", n)
				}
				l.again("key", kind.body, kind.o, in)
				l.ship()
				l.again("key", kind.body, kind.o, in)
				l.wantRows(kind.rows)
			})
		}
	}
}

func spoilSidecar(t *testing.T, path, how string) {
	t.Helper()
	content := readFile(t, path)
	var err error
	switch how {
	case "none":
		err = os.Remove(path)
	case "torn":
		err = os.WriteFile(path, []byte(content[:len(content)/2]), 0o600)
	case "of another file":
		err = os.WriteFile(path, []byte(strings.Replace(content, `"bytes":`, `"bytes":1`, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The store's failure when a crash is recovered from loses nothing.
func TestRecoveryWaitsForTheKeys(t *testing.T) {
	l := newLives(t)
	in := l.first("key", `{"a":1}`, Options{RowIDs: true})
	for _, fail := range []func(m *memoryKeys, err error){
		func(m *memoryKeys, err error) { m.failRemember = err },
		func(m *memoryKeys, err error) { m.failFind = err },
	} {
		fail(l.keys, errKeys)
		if w, err := Open(l.w.cfg, rowid.NewSource(), l.keys, quiet(), freshMetrics()); !errors.Is(err, errKeys) {
			t.Errorf("got %v, %v, want %v", w, err, errKeys)
		}
		wantIDs(t, l.w, in.RowIDs, open)
		fail(l.keys, nil)
	}
	l.crash()
	l.again("key", `{"a":1}`, Options{RowIDs: true}, in)
	wantIDs(t, l.w, in.RowIDs, ready)
}

// A file cut at any byte has the keys of its whole inserts, with the answers that they got, and no others.
func TestKeysOfAFileCutAnywhere(t *testing.T) {
	l := newLives(t)
	bodies := []string{`{"a":1}`, `[{"a":2},{"b":"x y"}]`, `{"c":[1,2]}`}
	var all []Inserted
	ends := []int{0}
	for i, body := range bodies {
		all = append(all, l.first(fmt.Sprint(i), body, Options{RowIDs: i != 0}))
		ends = append(ends, len(only(t, l.w, open)))
	}
	content := only(t, l.w, open)
	for cut := range len(content) + 1 {
		again := newLives(t)
		plant(t, again.dir, open+"/d/events/"+all[0].Batch+batchSuffix, content[:cut])
		again.crash()
		rows := 0
		for i, body := range bodies {
			rows += all[i].Rows
			if ends[i+1] <= cut {
				again.again(fmt.Sprint(i), body, Options{}, all[i])
				continue
			}
			again.first(fmt.Sprint(i), body, Options{})
		}
		again.wantRows(rows)
		if t.Failed() {
			t.Fatalf("the file was cut at byte %d of %d", cut, len(content))
		}
	}
}

// An insert that failed, was not cut off durably, and was stored again in another batch is there once after a crash; one
// that was not sent again may be there.
func TestFailedInsertStoredAgainBeforeACrash(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("the later batch is sealed: %v", sealed), func(t *testing.T) {
			l := newLives(t)
			d := rig(l.w)
			before := l.first("before", `{"a":1}`, Options{RowIDs: true})
			d.onSync, d.onCut = failing(errDrive), failing(errDrive)
			if in, err := l.keyed("key", `[{"a":2},{"a":3}]`, Options{}); !errors.Is(err, errDrive) {
				t.Errorf("got %+v, %v, want %v", in, err, errDrive)
			}
			heal(d)
			d.onClose = failing(errDrive) // so that the failed batch stays open
			in := l.first("key", `[{"a":2},{"a":3}]`, Options{RowIDs: true})
			if in.Batch == before.Batch {
				t.Errorf("got batch %s twice", in.Batch)
			}
			if sealed {
				d.onClose = nil
				l.w.seal(dueBatch{l.w.table(target{"d", events}), l.w.table(target{"d", events}).current})
			}
			l.crash()
			l.again("before", `{"a":1}`, Options{RowIDs: true}, before)
			l.again("key", `[{"a":2},{"a":3}]`, Options{RowIDs: true}, in)
			wantNone(t, l.w, open)
			l.ship()
			l.wantRows(3)
			if got := testutil.ToFloat64(l.w.metrics.torn); got != 1 {
				t.Errorf("%v tails were put aside, want 1", got)
			}
		})
	}
}

func TestFullOfKeys(t *testing.T) {
	b := &batch{keys: maxBatchKeys - 1}
	limit := Rotation{MaxBytes: 1, MaxRows: 1}
	if got := b.full(limit, flatten.DefaultLimits()); got != "" {
		t.Errorf("%d keys: full for %q, want it not to be", b.keys, got)
	}
	b.keys++
	if got := b.full(limit, flatten.DefaultLimits()); got != "keys" {
		t.Errorf("%d keys: full for %q, want keys", b.keys, got)
	}
	w := newWriter(t, nil)
	insert(t, w, `{}`, Options{})
	insert(t, w, `[{},{}]`, Options{Key: "key"})
	insert(t, w, `[{},{}]`, Options{Key: "key"})
	tab := w.table(target{"d", events})
	if got := tab.current.keys; got != 1 {
		t.Errorf("the batch has %d keys, want 1", got)
	}
	tab.current.keys = maxBatchKeys
	insert(t, w, `{}`, Options{})
	sealAll(w)
	if got := testutil.ToFloat64(w.metrics.sealed.WithLabelValues("keys")); got != 1 {
		t.Errorf("got %v batches sealed by keys, want 1", got)
	}
}

// Many keys go to the store in pieces, each of them once.
func TestManyKeysAreFlushed(t *testing.T) {
	store := newMemoryKeys()
	k := newKeys(store, DefaultConfig(), freshMetrics(), quiet())
	const many = 2*rememberAtOnce + 1
	for i := range many {
		k.hold("batch", &control.KeyedInsert{Destination: "d", Key: control.Digest{byte(i), byte(i >> 8)}})
	}
	if _, err := k.flush(t.Context(), "batch"); err != nil || store.count() != many {
		t.Errorf("%d keys are remembered, %v, want %d", store.count(), err, many)
	}
}

// While Run runs, keys are forgotten after their window and when there are too many, and the gauges say what is left.
func TestOldKeysAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLives(t)
		l.change = func(c *Config) { c.KeyWindow, c.MaxKeys = time.Hour, 3 }
		l.crash()
		defer running(t, l.w)()
		gauges := func(keys, age, early float64) {
			t.Helper()
			synctest.Wait()
			m := l.w.metrics
			if k, a, e := testutil.ToFloat64(m.keys), testutil.ToFloat64(m.oldestKey), testutil.ToFloat64(m.keysEarly); k != keys || a != age || e != early {
				t.Errorf("metrics say %v keys, the oldest %v s old, %v forgotten early, want %v, %v, %v", k, a, e, keys, age, early)
			}
		}
		gauges(0, 0, 0)
		time.Sleep(30 * time.Second)
		for i := range 5 {
			l.first(fmt.Sprint(i), `{"a":1}`, Options{})
			time.Sleep(time.Second)
		}
		time.Sleep(25 * time.Second) // a minute after the start
		gauges(3, 28, 2)
		l.keys.set(func(m *memoryKeys) { m.failForget = errKeys })
		time.Sleep(pruneEvery)
		gauges(3, 28, 2)
		l.keys.set(func(m *memoryKeys) { m.failForget = nil })
		time.Sleep(pruneEvery)
		gauges(3, 148, 2)
		time.Sleep(time.Hour - 3*time.Minute)
		gauges(3, 3600-32, 2)
		time.Sleep(pruneEvery)
		gauges(0, 0, 2)
		l.first("4", `{"a":1}`, Options{}) // it was forgotten
		l.keys.set(func(m *memoryKeys) {
			last := m.forgets[len(m.forgets)-1]
			if last.most != 3 || !last.before.Equal(time.Now().Add(-time.Hour)) {
				t.Errorf("Forget got %v and %d, want an hour ago and 3", last.before, last.most)
			}
		})
	})
}

// Keys are noted and forgotten by the clock of their store: one server whose clock is wrong forgets nobody's.
func TestKeysGoByTheClockOfTheirStore(t *testing.T) {
	for _, ahead := range []time.Duration{-25 * time.Hour, 25 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLives(t)
				l.keys.ahead = ahead
				defer running(t, l.w)()
				first := l.first("k", `{"a":1}`, Options{})
				time.Sleep(10 * time.Second)
				synctest.Wait()
				made := time.Now().Add(ahead - 10*time.Second)
				l.keys.set(func(m *memoryKeys) {
					for _, in := range m.known {
						if !in.Made.Equal(made) {
							t.Errorf("the key was noted as of %v, want %v", in.Made, made)
						}
					}
				})
				time.Sleep(24*time.Hour - time.Minute)
				l.again("k", `{"a":1}`, Options{}, first)
				time.Sleep(2 * time.Minute)
				l.first("k", `{"a":1}`, Options{})
			})
		})
	}
}

// A clock that is wrong for a while, from the start or later, forgets no keys.
func TestKeysOutliveAJumpOfTheClock(t *testing.T) {
	for _, after := range []time.Duration{0, 3 * time.Hour} {
		t.Run(fmt.Sprint("after ", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLives(t)
				first := l.first("k", `{"a":1}`, Options{})
				l.seal()
				run := running(t, l.w)
				defer func() { run() }()
				jump := func(ahead time.Duration) { l.keys.set(func(m *memoryKeys) { m.ahead = ahead }) }
				if after == 0 { // the process starts with it
					run()
					jump(25 * time.Hour)
					l.crash()
					run = running(t, l.w)
				}
				time.Sleep(after)
				jump(25 * time.Hour)
				time.Sleep(20 * time.Minute)
				jump(0)
				time.Sleep(time.Hour)
				l.again("k", `{"a":1}`, Options{}, first)
				time.Sleep(24 * time.Hour)
				l.first("k", `{"a":1}`, Options{})
			})
		})
	}
}

// When the store does not tell the time its keys are neither noted nor forgotten; both are tried again.
func TestKeysWaitForTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLives(t)
		l.keys.failNow = errKeys
		defer running(t, l.w)()
		first := l.first("k", `{"a":1}`, Options{})
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := l.keys.count(); n != 0 || len(batchesIn(t, l.w, open)) != 1 {
			t.Errorf("got %d keys and the batches %v, want none noted and one open", n, batchesIn(t, l.w, open))
		}
		l.keys.set(func(m *memoryKeys) { m.failNow = nil })
		time.Sleep(2 * sealAgain)
		synctest.Wait()
		if n := l.keys.count(); n != 1 || len(batchesIn(t, l.w, ready)) != 1 {
			t.Errorf("got %d keys and the batches %v, want one of each", n, batchesIn(t, l.w, ready))
		}
		l.again("k", `{"a":1}`, Options{}, first)
	})
}

// A mark that this program cannot have written stops recovery: a key may be lost.
func TestStrangeMark(t *testing.T) {
	for _, mark := range []string{"", "+", "00", strings.Repeat("0", 66), strings.Repeat("x", 64), strings.Repeat("0", 64) + "++"} {
		runs := []ndjson.KeyedRun{{Mark: mark, Rows: 1}}
		if list, err := keyedIn("d", batchID, runs); err == nil {
			t.Errorf("mark %q got %+v, want an error", mark, list[0])
		}
	}
}

// A mark goes wherever the last row ends, also over the ends of chunks.
func TestMarkOfAKeyedInsert(t *testing.T) {
	in := &control.KeyedInsert{Key: control.Digest{1}, Body: control.Digest{2}}
	for size := chunkSize - 3; size <= chunkSize+3; size++ {
		var s segments
		line := `{"a":"` + strings.Repeat("x", size-len(`{"a":""}`+"\n")) + `"}` + "\n"
		s.add([]byte(line))
		s.mark(in)
		var got strings.Builder
		if err := s.write(&got); err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(line, "}\n") + `,"__insert":"01` + strings.Repeat("0", 30) + "02" + strings.Repeat("0", 30) + `"} ` + "\n"
		if got.String() != want {
			t.Errorf("a row of %d bytes got %q at its end", size, got.String()[size-10:])
		}
		s.release()
	}
}
