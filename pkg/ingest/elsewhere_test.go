package ingest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nodes are writers of several machines, which share their store of keys.
func nodes(t *testing.T, n int) []*lives {
	t.Helper()
	list := make([]*lives, n)
	for i := range list {
		list[i] = newLives(t)
		list[i].keys = list[0].keys
		change := list[i].change
		list[i].change = func(c *Config) { change(c); c.Shared = true }
		list[i].crash()
	}
	return list
}

// wantOnce wants each text to be in a row of one node, once, when all is shipped.
func wantOnce(t *testing.T, list []*lives, texts ...string) {
	t.Helper()
	var all strings.Builder
	for _, l := range list {
		l.seal()
		l.ship()
		wantNone(t, l.w, incoming, open, ready)
		wantNoClaims(t, l.w)
		for _, content := range l.shipped {
			all.WriteString(content)
		}
	}
	for _, text := range texts {
		if n := strings.Count(all.String(), text); n != 1 {
			t.Errorf("%s is there %d times, want once", text, n)
		}
	}
	if n := strings.Count(all.String(), "\n"); n != len(texts) {
		t.Errorf("got %d rows, want %d", n, len(texts))
	}
}

// An insert that is sent again to another node, before the first has noted its key, is stored once.
func TestInsertSentToTwoNodesIsStoredOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, a, b *lives)
	}{
		{"the first seals first", func(t *testing.T, a, b *lives) { a.seal() }},
		{"the second seals first", func(t *testing.T, a, b *lives) { b.seal() }},
		{"the second crashes", func(t *testing.T, a, b *lives) { a.seal(); b.crash() }},
		{"both crash", func(t *testing.T, a, b *lives) { a.crash(); b.crash() }},
		{"the second crashes after it has sealed", func(t *testing.T, a, b *lives) { a.seal(); b.seal(); b.crash() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := nodes(t, 2)
			a, b := list[0], list[1]
			a.first("", `{"v":"a only"}`, Options{})
			a.first("one", `[{"v":"one"},{"v":"two"}]`, Options{})
			b.first("", `{"v":"before"}`, Options{})
			b.first("one", `[{"v":"one"},{"v":"two"}]`, Options{RowIDs: true})
			b.first("other", `{"v":"other"}`, Options{})
			b.first("", `{"v":"after"}`, Options{})
			tt.do(t, a, b)
			wantOnce(t, list, `"a only"`, `"one"`, `"two"`, `"before"`, `"other"`, `"after"`)
		})
	}
}

// What was acknowledged after an insert that another node stored again, later, and noted first, is kept by a crash.
func TestCrashKeepsWhatFollowsAnInsertThatIsElsewhere(t *testing.T) {
	list := nodes(t, 2)
	a, b := list[0], list[1]
	a.first("", `{"v":"before"}`, Options{})
	a.first("one", `{"v":"one"}`, Options{})
	a.first("", `{"v":"after"}`, Options{})
	a.first("other", `{"v":"other"}`, Options{})
	b.first("one", `{"v":"one"}`, Options{})
	b.seal()
	a.crash()
	wantOnce(t, list, `"before"`, `"one"`, `"after"`, `"other"`)
}

// A batch that has nothing but such inserts goes.
func TestBatchWithNothingOfItsOwnGoes(t *testing.T) {
	list := nodes(t, 2)
	for _, l := range list {
		l.first("k", `{"v":"once"}`, Options{})
	}
	wantOnce(t, list, `"once"`)
}

// Two inserts that are not the same are both kept, whatever their keys: both were acknowledged.
func TestDifferentInsertsUnderOneKeyAreKept(t *testing.T) {
	list := nodes(t, 2)
	for i, l := range list {
		l.first("k", fmt.Sprintf(`{"v":"node %d"}`, i), Options{})
	}
	wantOnce(t, list, `"node 0"`, `"node 1"`)
}

// A large insert, which has a batch of its own, is answered as the first was when another node has it.
func TestLargeInsertSentToTwoNodesIsStoredOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		known bool // the first one's key is known when the second one comes
		die   bool // the second one's node dies before its key is noted
	}{{"noted before", true, false}, {"noted later", false, false}, {"noted after a crash", false, true}} {
		t.Run(tt.name, func(t *testing.T) {
			list := nodes(t, 2)
			a, b := list[0], list[1]
			a.keys.set(func(m *memoryKeys) { m.failRemember = errKeys })
			first := a.first("k", bodyOf(rowsOfOwn), Options{})
			if !tt.known {
				b.first("k", bodyOf(rowsOfOwn), Options{})
			}
			a.keys.set(func(m *memoryKeys) { m.failRemember = nil })
			a.ship() // which notes it
			if tt.known {
				b.again("k", bodyOf(rowsOfOwn), Options{}, first)
			}
			if tt.die {
				b.crash()
			}
			rows := 0
			for _, l := range list {
				for len(batchesIn(t, l.w, ready)) > 0 {
					r, err := l.w.Next(endedContext())
					if err != nil {
						break
					}
					l.shipped = append(l.shipped, readFile(t, r.Path))
					if err := l.w.Done(r); err != nil {
						t.Error(err)
					}
				}
				wantNone(t, l.w, incoming, open, ready)
				for _, content := range l.shipped {
					rows += strings.Count(content, "\n")
				}
			}
			if rows != rowsOfOwn {
				t.Errorf("got %d rows, want %d", rows, rowsOfOwn)
			}
		})
	}
}

// failedBatch puts two inserts into l's open batch, and after them one under the key "k" that fails and cannot be cut off, which
// is sent again then and goes to the next batch.
func failedBatch(l *lives) {
	l.t.Helper()
	d := rig(l.w)
	l.first("both", `{"v":"both"}`, Options{})
	l.first("own", `{"v":"own"}`, Options{})
	d.set(func(d *drive) { d.onSync, d.onCut = failing(errDrive), failing(errDrive) })
	if _, err := l.keyed("k", `{"v":"retried"}`, Options{}); !errors.Is(err, errDrive) {
		l.t.Errorf("got %v, want the drive's error", err)
	}
	d.set(heal)
	l.first("k", `{"v":"retried"}`, Options{})
}

// What failed and could not be cut off is not there again when an insert before it leaves the batch.
func TestInsertThatFailedDoesNotComeBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(l *lives)
	}{
		{"sealed", (*lives).seal},
		{"sealed at the second try", func(l *lives) {
			mend := blockReady(l)
			l.seal()
			mend()
		}},
		{"a crash", (*lives).crash},
		{"a crash between the tries", func(l *lives) {
			mend := blockReady(l)
			l.seal()
			mend()
			l.crash()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := nodes(t, 2)
			a, b := list[0], list[1]
			failedBatch(b)
			a.first("both", `{"v":"both"}`, Options{})
			a.seal()
			tt.do(b)
			wantOnce(t, list, `"both"`, `"own"`, `"retried"`)
		})
	}
}

// blockReady lets no batch become ready until the function that it returns is called.
func blockReady(l *lives) (mend func()) {
	l.t.Helper()
	path := filepath.Join(l.dir, ready)
	if err := os.Rename(path, path+"~"); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		l.t.Fatal(err)
	}
	return func() {
		l.t.Helper()
		if err := errors.Join(os.Remove(path), os.Rename(path+"~", path)); err != nil {
			l.t.Fatal(err)
		}
	}
}

// What is told of a batch that inserts left is so, also when it could not be made ready at once.
func TestRowsOfABatchThatInsertsLeft(t *testing.T) {
	list := nodes(t, 2)
	a, b := list[0], list[1]
	for _, l := range list {
		l.first("both", `[{"v":"one"},{"v":"two"}]`, Options{})
	}
	b.first("own", `{"v":"own"}`, Options{})
	a.seal()
	mend := blockReady(b)
	b.seal()
	wantNone(t, b.w, incoming)
	mend()
	b.seal()
	ship(t, b.w, 1)
}

// A batch that inserts are to leave is not made ready with less than was acknowledged, when its file is damaged.
func TestDamagedBatchIsNotThinned(t *testing.T) {
	list := nodes(t, 2)
	a, b := list[0], list[1]
	in := b.first("both", `{"v":"both"}`, Options{})
	b.first("own", `{"v":"own"}`, Options{})
	a.first("both", `{"v":"both"}`, Options{})
	a.seal()
	path := filepath.Join(b.dir, open, "d", "events", in.Batch+batchSuffix)
	good := readFile(t, path)
	spoilt := strings.Replace(good, `"v":"own"`, `"v" "own"`, 1)
	if err := os.WriteFile(path, []byte(spoilt), 0o600); err != nil {
		t.Fatal(err)
	}
	b.seal()
	wantNone(t, b.w, ready, incoming)
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	wantOnce(t, list, `"both"`, `"own"`)
}
