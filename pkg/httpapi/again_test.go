package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/transport"
)

// A client that was cut off cannot know whether its rows are there. With the same key it asks again, and they are once.
func TestClientsThatComeAgain(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		stored     bool
	}{
		{"before the answer", insertHead(keyed("k")+"\r\nContent-Length: 8") + row, true},
		{"in the body", insertHead(keyed("k")+"\r\nContent-Length: 8") + row[:4], false},
		{"before the body", insertHead(keyed("k") + "\r\nContent-Length: 8"), false},
		{"in a chunk", insertHead(keyed("k")+"\r\nTransfer-Encoding: chunked") + "8\r\n" + row[:7], false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, setup{})
			c := p.dial(strings.Replace(tt.sent, "insert/t ", "insert/t?ack=loaded ", 1))
			if tt.stored {
				p.await("the rows are there", func() bool { return len(p.files("ingest")) > 0 })
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			p.ship()
			p.load()
			r := p.do("POST", "/api/data/insert/t?ack=loaded", row, keyed("k"))
			replayed := r.header.Get("Idempotent-Replayed") == "true"
			if got := decode[insertReply](t, r); r.status != http.StatusOK || got.State != transport.StateLoaded || got.Rows != 1 || replayed != tt.stored {
				t.Errorf("got %d %s, replayed %v, want 1 row loaded, replayed %v", r.status, r.body, replayed, tt.stored)
			}
			p.wantTables([]string{`t: {"a":1}`})
		})
	}
}

// Who comes second waits for the first, and is the first when that one fails.
func TestSecondWaitsForTheFirst(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
	}{
		{"first succeeds", row, http.StatusOK},
		{"first fails", `{"a":1,}`, http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, setup{})
			p.ship()
			p.load()
			c := p.dial(insertHead(keyed("k") + "\r\nContent-Length: 8\r\nExpect: 100-continue"))
			in := bufio.NewReader(c)
			if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != http.StatusContinue {
				t.Fatalf("got %+v, %v, want to be asked for the body", resp, err) // the first has the key by then
			}
			second := make(chan reply, 1)
			go func() { second <- p.do("POST", "/api/data/insert/t", row, keyed("k")) }()
			if _, err := io.WriteString(c, tt.body); err != nil {
				t.Fatal(err)
			}
			first, again := p.readReply(in), <-second
			if first.status != tt.status || again.status != http.StatusOK {
				t.Errorf("got %d %s and then %d %s, want %d and 200", first.status, first.body, again.status, again.body, tt.status)
			}
			if tt.status == http.StatusOK {
				wantReplayed(t, first, again)
			} else if again.header.Get("Idempotent-Replayed") != "" {
				t.Error("the second is said to be a replay of an insert that failed")
			}
			p.wantTables([]string{`t: {"a":1}`})
		})
	}
}

func TestConcurrentDuplicates(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	const clients, keys = 4, 5
	replies := make([][]reply, keys)
	var wg sync.WaitGroup
	for k := range keys {
		replies[k] = make([]reply, clients)
		for c := range clients {
			path := "/api/data/insert/t"
			if c == 0 {
				path += "?ack=loaded" // does not make the others wait for the load
			}
			wg.Go(func() { replies[k][c] = p.do("POST", path, fmt.Sprintf(`{"k":%d}`, k), keyed(fmt.Sprint("k", k))) })
		}
	}
	wg.Wait()
	for k, list := range replies {
		receipts, first := map[string]bool{}, 0
		for _, r := range list {
			receipts[decode[insertReply](t, r).Receipt] = r.status == http.StatusOK
			if r.header.Get("Idempotent-Replayed") == "" {
				first++
			}
		}
		if len(receipts) != 1 || first != 1 {
			t.Errorf("key %d: got %d receipts %v, %d of them first, want one", k, len(receipts), receipts, first)
		}
	}
	if got := len(p.takenOver()); got != keys {
		t.Errorf("%d rows are stored, want %d", got, keys)
	}
}
