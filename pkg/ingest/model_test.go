package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// model is a folder of batches through the lives of several writers, and what their inserts were told.
type model struct {
	t       *rapid.T
	dir     string
	keys    *memoryKeys
	w       *Writer
	p       *platter
	told    []*told
	life    int            // told[life:] are of the writer that lives
	shipped map[string]int // by row id
}

// told is what an insert was told. Inserts of the same key are the same insert, sent again.
type told struct {
	table string
	ids   []string
	body  string
	o     Options
	in    Inserted
	err   error
	crash bool // it may be there or not, but whole: there was a crash before it could be known
}

func (m *model) start() {
	m.life = len(m.told)
	m.p = new(platter)
	m.p.heal()
	m.keys.failRemember = nil
	m.w = openOver(m.t, m.dir, m.keys, func(c *Config) {
		c.MaxRows, c.OpenFiles, c.Inline = 12, 1, 40<<10
	})
	m.w.openFile = m.p.open
}

func (m *model) draw(least, most int, what string) int {
	return rapid.IntRange(least, most).Draw(m.t, what)
}

// plan draws an insert, whose rows have ids of their own, or one with a key that is sent again.
func (m *model) plan() *told {
	if i := m.again(); i != nil {
		return i
	}
	i := &told{table: rapid.SampledFrom([]string{"a", "b"}).Draw(m.t, "table")}
	i.o.Ack = rapid.SampledFrom([]Ack{AckDisk, AckMemory}).Draw(m.t, "ack")
	text := strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 5_000, 15_000}).Draw(m.t, "text"))
	for n := range m.draw(1, 4, "rows") {
		id := fmt.Sprintf("i%dr%d", len(m.told), n)
		i.ids = append(i.ids, id)
		i.body += fmt.Sprintf(`{"__row_id":%q,"text":%q}`, id, text)
	}
	if rapid.Bool().Draw(m.t, "with a key") {
		i.o.Key = i.ids[0]
	}
	m.told = append(m.told, i)
	return i
}

// again draws an insert that has a key, to send it again; nil when it is to be a new one.
func (m *model) again() *told {
	if len(m.told) == 0 || m.draw(0, 2, "again") > 0 {
		return nil
	}
	i := m.told[m.draw(0, len(m.told)-1, "which")]
	if i.o.Key == "" {
		return nil
	}
	return m.resend(i)
}

func (m *model) resend(i *told) *told {
	same := &told{table: i.table, ids: i.ids, body: i.body, o: i.o}
	m.told = append(m.told, same)
	return same
}

// insert runs some inserts at once, on a disk that may fail.
func (m *model) insert() {
	var wg sync.WaitGroup
	for range m.draw(1, 4, "inserts") {
		i := m.plan()
		wg.Go(func() {
			m.send(i)
		})
	}
	wg.Wait()
}

func (m *model) send(i *told) {
	i.in, i.err = m.w.Insert(context.Background(), "d", parseTable(m.t, i.table), strings.NewReader(i.body), i.o)
}

func (m *model) breakDisk() {
	m.p.arm(m.draw(0, 5, "after"), rapid.SampledFrom([]int{1, 2, 1000}).Draw(m.t, "lasts"), m.draw(0, 100, "part"))
}

func (m *model) breakKeys() {
	m.keys.failRemember = nil
	if rapid.Bool().Draw(m.t, "keys fail") {
		m.keys.failRemember = errKeys
	}
}

// crash leaves the writer as it is and starts another one. With the power, what was not synced is lost.
func (m *model) crash() {
	for _, i := range m.told[m.life:] {
		i.crash = i.crash || i.err != nil
	}
	if rapid.Bool().Draw(m.t, "power is lost") {
		inOpen := idsIn(lenient{m.t}, m.w, open)
		for _, i := range m.told[m.life:] {
			i.crash = i.crash || i.o.Ack == AckMemory && inOpen[i.ids[0]] > 0
		}
		if err := m.p.losePower(m.dir, m.draw(0, 100, "kept")); err != nil {
			m.t.Fatal(err)
		}
	}
	m.end()
	m.start()
}

func (m *model) end() {
	if err := m.p.end(); err != nil {
		m.t.Fatal(err)
	}
}

// lenient lets torn rows pass.
type lenient struct{ *rapid.T }

func (lenient) Errorf(string, ...any) {}

// ship takes the next ready batch.
func (m *model) ship() {
	r, err := m.w.Next(endedContext())
	if errors.Is(err, errKeys) {
		m.w.Return(r)
		return
	}
	if err != nil {
		if r.Batch != "" {
			m.t.Fatalf("a ready batch cannot be read: %v", err)
		}
		return
	}
	lines := slices.Collect(strings.Lines(readFile(m.t, r.Path)))
	if r.Rows != int64(len(lines)) {
		m.t.Errorf("batch %s is told to have %d rows, want %d", r.Batch, r.Rows, len(lines))
	}
	for _, line := range lines {
		m.shipped[strings.SplitN(line, `"`, 5)[3]]++
	}
	for _, i := range m.told {
		if i.err == nil && i.in.Batch == r.Batch && !i.crash {
			m.wantAt(lines, i)
		}
	}
	if err := m.w.Done(r); err != nil {
		m.t.Fatal(err)
	}
}

// wantAt wants the rows of i where its receipt says.
func (m *model) wantAt(lines []string, i *told) {
	_, first, _, err := rowid.ParseReceipt(i.in.Receipt)
	if err != nil {
		m.t.Fatal(err)
	}
	for n, id := range i.ids {
		if first+n >= len(lines) || !strings.Contains(lines[first+n], `"`+id+`"`) {
			m.t.Errorf("row %s is not line %d of its batch", id, first+n)
		}
	}
}

// finish seals and ships everything on a disk that works again, and wants each insert to be there as it was told.
func (m *model) finish() {
	defer m.end()
	m.p.heal()
	m.keys.failRemember = nil
	m.sendAllAgain()
	sealAll(m.w)
	sealAll(m.w) // what could not be closed the first time
	wantNone(m.t, m.w, open, incoming)
	for range len(batchesIn(m.t, m.w, ready)) {
		m.ship()
	}
	for n, i := range m.told {
		if i.o.Key != "" {
			i.err, i.crash = nil, false // it was sent until it was there
		}
		var there, most int
		for _, id := range i.ids {
			there += min(m.shipped[id], 1)
			most = max(most, m.shipped[id])
		}
		switch {
		case most > 1:
			m.t.Errorf("insert %d is there %d times", n, most)
		case i.crash && (there == 0 || there == len(i.ids)):
		case i.err == nil && there == len(i.ids), i.err != nil && there == 0:
		default:
			m.t.Errorf("insert %d, acknowledged from %s with %v, crash %v: %d of %d rows are there", n, i.o.Ack, i.err, i.crash, there, len(i.ids))
		}
	}
}

// sendAllAgain sends every insert that has a key again, as its client does who was not answered; one who was gets the same
// answer.
func (m *model) sendAllAgain() {
	for _, i := range slices.Clone(m.told) {
		if i.o.Key == "" {
			continue
		}
		last := m.resend(i)
		m.send(last)
		if last.err != nil {
			m.t.Errorf("the insert of %s, sent again in the end: %v", i.o.Key, last.err)
		}
		if i.err == nil && !i.crash && (!last.in.Replayed || last.in.Receipt != i.in.Receipt) {
			m.t.Errorf("the insert of %s was told %+v first, and %+v in the end", i.o.Key, i.in, last.in)
		}
	}
}

// Whatever fails, and whenever the process dies: an acknowledged insert is there once, one that got an error is not, and
// one whose answer was lost is there whole or not at all. One with a key that is sent again and again is there once.
func TestNothingIsLostOrDoubled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "ingest")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		}()
		m := &model{t: t, dir: dir, shipped: map[string]int{}, keys: newMemoryKeys()}
		m.start()
		steps := []func(){m.insert, m.insert, m.insert, m.breakDisk, m.breakDisk, m.breakKeys, func() { m.p.heal() }, m.crash, m.ship,
			func() { m.w.sealDue(time.Time{}) }, func() { m.w.sealDue(time.Now()) }}
		for range m.draw(1, 20, "steps") {
			steps[m.draw(0, len(steps)-1, "step")]()
		}
		m.finish()
	})
}
