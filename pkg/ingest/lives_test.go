package ingest

import (
	"reflect"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// lives is a folder through the lives of several writers, over one store of keys.
type lives struct {
	t       *testing.T
	dir     string
	keys    *memoryKeys
	change  func(*Config)
	w       *Writer
	shipped []string // what the batches held
}

// newLives starts the first life. An insert of bodyOf(rowsOfOwn) gets a batch of its own.
func newLives(t *testing.T) *lives {
	t.Helper()
	l := &lives{t: t, dir: t.TempDir(), keys: newMemoryKeys(), change: func(c *Config) { c.Inline = 100 << 10 }}
	l.crash()
	return l
}

const rowsOfOwn = 2000

// crash leaves the writer as it is and starts another one.
func (l *lives) crash() {
	l.t.Helper()
	l.w = openOver(l.t, l.dir, l.keys, l.change)
}

func (l *lives) seal() { sealAll(l.w) }

// ship ships all that is ready.
func (l *lives) ship() {
	l.t.Helper()
	for range len(batchesIn(l.t, l.w, ready)) {
		r := next(l.t, l.w)
		l.shipped = append(l.shipped, readFile(l.t, r.Path))
		if err := l.w.Done(r); err != nil {
			l.t.Error(err)
		}
	}
}

// keyed inserts body into destination d's table events.
func (l *lives) keyed(key, body string, o Options) (Inserted, error) {
	o.Key = key
	return l.w.Insert(l.t.Context(), "d", parseTable(l.t, "events"), strings.NewReader(body), o)
}

// first inserts under a key and wants that to be the first time.
func (l *lives) first(key, body string, o Options) Inserted {
	l.t.Helper()
	in, err := l.keyed(key, body, o)
	if err != nil || in.Replayed {
		l.t.Errorf("insert of %.40q under key %q got %+v, %v, want it stored", body, key, in, err)
	}
	return in
}

// again inserts once more and wants the first answer.
func (l *lives) again(key, body string, o Options, first Inserted) {
	l.t.Helper()
	got, err := l.keyed(key, body, o)
	first.Replayed = true
	if err != nil || !reflect.DeepEqual(got, first) {
		l.t.Errorf("again %.40q under key %q\n got %.300v, %v\nwant %.300v", body, key, got, err, first)
	}
}

// reused inserts under the key of another insert, and wants that to be refused.
func (l *lives) reused(key, body string, o Options) {
	l.t.Helper()
	in, err := l.keyed(key, body, o)
	wantReused(l.t, in, err)
}

func wantReused(t *testing.T, in Inserted, err error) {
	t.Helper()
	if fault.Of(err) != fault.Unprocessable || fault.CodeOf(err) != "idempotency_key_reused" || in.Rows != 0 || in.Receipt != "" {
		t.Errorf("got %+v, %v, want idempotency_key_reused", in, err)
	}
}

// wantRows wants so many rows to be anywhere: open, ready or shipped.
func (l *lives) wantRows(want int) {
	l.t.Helper()
	got := 0
	for _, content := range append(append(batchesIn(l.t, l.w, open), batchesIn(l.t, l.w, ready)...), l.shipped...) {
		got += strings.Count(content, "\n")
	}
	if got != want {
		l.t.Errorf("got %d rows, want %d", got, want)
	}
}

// wantNoClaims wants nothing to be kept of keys that the store knows.
func wantNoClaims(t *testing.T, w *Writer) {
	t.Helper()
	w.keys.mu.Lock()
	defer w.keys.mu.Unlock()
	if len(w.keys.claims) != 0 || len(w.keys.held) != 0 {
		t.Errorf("%d claims and %d batches' keys are kept, want none", len(w.keys.claims), len(w.keys.held))
	}
}
