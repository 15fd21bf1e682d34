package transport

import (
	"fmt"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/ingest"
)

// sent is an insert as a client sends it.
type sent struct {
	dest, table, body string
	o                 ingest.Options
	receipt           string // that it got
}

// insert inserts n numbered rows and gives the receipt.
func (p *plant) insert(dest, table string, n int) string {
	p.t.Helper()
	return p.post(p.numbered(dest, table, n))
}

// insertKeyed is insert with a key that no other insert has.
func (p *plant) insertKeyed(dest, table string, n int) string {
	p.t.Helper()
	s := p.numbered(dest, table, n)
	s.o.Key = fmt.Sprintf("key of row %d", p.next)
	return p.post(s)
}

func (p *plant) numbered(dest, table string, n int) sent {
	var body strings.Builder
	for range n {
		fmt.Fprintf(&body, `{"n":%d,"text":"row %d"}`+"\n", p.next, p.next)
		p.next++
	}
	p.rows[table] += n
	return sent{dest: dest, table: table, body: body.String()}
}

// insertOrder inserts a row for the table, one for bills and two for items.
func (p *plant) insertOrder(dest, table, key string) string {
	p.t.Helper()
	n := p.next
	p.next += 4
	p.rows[table]++
	p.rows["bill"]++
	p.rows["items"] += 2
	return p.post(sent{dest: dest, table: table, o: ingest.Options{Mode: flatten.Multitable, Key: key},
		body: fmt.Sprintf(`{"n":%d,"items":[{"n":%d},{"n":%d}],"bill":{"n":%d,"text":"x"}}`, n, n+1, n+2, n+3)})
}

// post inserts for the first time.
func (p *plant) post(s sent) string {
	p.t.Helper()
	in := p.do(s)
	if in.Replayed {
		p.t.Errorf("the first insert under key %q was one before", s.o.Key)
	}
	s.receipt = in.Receipt
	p.batches[s.dest+"/"+s.table+"/"+in.Batch] = true
	if s.o.Key != "" {
		p.keyed = append(p.keyed, s)
	}
	return in.Receipt
}

func (p *plant) do(s sent) ingest.Inserted {
	p.t.Helper()
	s.o.Ack = ingest.AckDisk
	in, err := p.writer.Insert(p.t.Context(), s.dest, tableOf(p.t, s.table), strings.NewReader(s.body), s.o)
	if err != nil {
		p.t.Fatal(err)
	}
	return in
}

// sendAgain sends all inserts that have keys again, and wants the answers that they got.
func (p *plant) sendAgain() {
	p.t.Helper()
	for _, s := range p.keyed {
		if in := p.do(s); !in.Replayed || in.Receipt != s.receipt {
			p.t.Errorf("again under key %q: got %+v, want receipt %s", s.o.Key, in, s.receipt)
		}
	}
}

// wantOnce checks that every row that was inserted is in s exactly once, in its table.
func (p *plant) wantOnce(s *shelf) {
	p.t.Helper()
	times, err := numbersIn(s)
	if err != nil {
		p.t.Fatal(err)
	}
	for n := range p.next {
		if times[n] != 1 {
			p.t.Errorf("row %d is there %d times, want once", n, times[n])
		}
	}
	if len(times) != p.next {
		p.t.Errorf("got %d rows, want %d", len(times), p.next)
	}
	for table, want := range p.rows {
		if got := s.Count(table); got != want {
			p.t.Errorf("table %s has %d rows, want %d", table, got, want)
		}
	}
}
