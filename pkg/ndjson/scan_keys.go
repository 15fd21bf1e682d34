package ndjson

import "github.com/scratchdata/scratchdata/pkg/schema"

// tally is what is known of the rows of one table.
type tally struct {
	table   schema.Table
	name    string              // the table's, as text
	known   map[string]*seenKey // by head
	start   seenKey             // before the first
	pending []*seenKey          // those with pending kinds, in order of appearance
	rows    int64               // read, those after the last mark included
	good    int64               // of whole inserts
	seen    []schema.Seen       // of whole inserts
}

func newTally(table schema.Table) *tally {
	return &tally{table: table, name: table.String(), known: map[string]*seenKey{}}
}

// seenKey is what is known of a key.
type seenKey struct {
	head    string // the member up to its value, its comma included: `,"key":`
	role    role
	index   int          // in tally.seen, or -1
	kinds   schema.Kinds // of whole inserts
	pending schema.Kinds // others, of the rows after the last mark
	next    *seenKey     // the one that came after this one last time
}

// role is what a key is for. Ours come last in a row, in this order.
type role uint8

const (
	plainKey  role = iota // a column
	ownKey                // the rescued values
	insertKey             // the mark of an insert with an idempotency key
)

// ownHead is how the member of rescued values begins.
const ownHead = `,"` + schema.Rescued + `":`

func roleOf(head string) role {
	switch head {
	case ownHead:
		return ownKey
	case insertHead:
		return insertKey
	}
	return plainKey
}

// commit counts what was read as good.
func (t *tally) commit() {
	t.good = t.rows
	for _, k := range t.pending {
		if k.index < 0 {
			k.index = len(t.seen)
			t.seen = append(t.seen, schema.Seen{Name: k.name()})
		}
		k.kinds |= k.pending
		k.pending = 0
		t.seen[k.index].Kinds = k.kinds
	}
	t.pending = t.pending[:0]
}

// name gives what the key means.
func (k *seenKey) name() string {
	key := k.head[len(`,"`) : len(k.head)-len(`":`)]
	return string(unescape(nil, []byte(key)))
}

// note adds a kind to those of k, which count when the insert turns out to be whole.
func (t *tally) note(k *seenKey, kind schema.Kind) {
	if k.kinds.Has(kind) {
		return
	}
	if k.pending == 0 {
		t.pending = append(t.pending, k)
	}
	k.pending = k.pending.With(kind)
}

// after returns the key at pos, where prev is the one before it in the row; nil when there is none.
func (t *tally) after(prev *seenKey, buf []byte, pos int) *seenKey {
	if k := prev.next; k != nil && pos+len(k.head) <= len(buf) && string(buf[pos:pos+len(k.head)]) == k.head {
		return k
	}
	if buf[pos+1] != '"' {
		return nil
	}
	end, _ := scanString(buf, pos+2)
	if end < 0 || buf[end+1] != ':' {
		return nil
	}
	head := buf[pos : end+2]
	k := t.known[string(head)]
	if k == nil {
		k = &seenKey{head: string(head), role: roleOf(string(head)), index: -1}
		t.known[k.head] = k
	}
	prev.next = k
	return k
}

// scanKind returns the position after the value at pos, or -1, and its kind.
func scanKind(buf []byte, pos int) (end int, kind schema.Kind) {
	switch c := buf[pos]; {
	case c == '"':
		if end, _ = scanString(buf, pos+1); end < 0 {
			return -1, 0
		}
		return end + 1, schema.KindOfString(buf[pos+1 : end])
	case c == '-' || c-'0' <= 9:
		if end, _ = scanNumber(buf, pos); end < 0 {
			return -1, 0
		}
		return end, schema.KindOfNumber(buf[pos:end])
	case c == '{' || c == '[':
		return skipValue(buf, pos, 0), schema.Nested
	case c == 'n':
		return skipValue(buf, pos, 0), schema.Null
	}
	return skipValue(buf, pos, 0), schema.Bool
}
