package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

func TestBody(t *testing.T) {
	for _, tt := range []struct {
		name    string
		in      insert
		clashes int
	}{
		{"one row", insert{first: 7, rows: 1}, 0},
		{"many", insert{first: 7, rows: 3000}, 0},
		{"many, some of which clash", insert{first: 7, rows: 3000, clashes: true}, 150},
		{"none", insert{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := io.ReadAll(iotest.HalfReader(&body{insert: tt.in}))
			if err != nil {
				t.Fatal(err)
			}
			clashes, n := 0, 0
			for line := range bytes.Lines(got) {
				var row struct {
					ID    int
					Value any
				}
				if err := json.Unmarshal(line, &row); err != nil || row.ID != tt.in.first+n {
					t.Fatalf("row %d: got %s and %v", n, line, err)
				}
				if _, isText := row.Value.(string); isText {
					clashes++
				}
				n++
			}
			if n != tt.in.rows || clashes != tt.clashes {
				t.Errorf("got %d rows, %d of which clash, want %d and %d", n, clashes, tt.in.rows, tt.clashes)
			}
			if size := tt.in.size(); tt.in.rows > 1 && (len(got) < size*9/10 || len(got) > size*11/10) {
				t.Errorf("got %d bytes, want about %d", len(got), size)
			}
		})
	}
}

// The load has inserts of each kind: single rows, such as have a batch of their own, and rows that clash, in every table.
func TestInsertsAreMixed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var single, own, clash int
	var in [tables]int
	for range 10_000 {
		i := draw(rng)
		in[i.table]++
		if i.rows == 1 {
			single++
		}
		if i.size() > 16<<20 {
			own++
		}
		if i.clashes {
			clash++
		}
	}
	if single < 6000 || own < 5 || clash < 500 || min(in[0], in[1], in[2], in[3]) < 2000 {
		t.Errorf("got %d single rows, %d large inserts, %d that clash, tables %v", single, own, clash, in)
	}
}

// TestEachRunHasKeysOfItsOwn: the rows of a second run are other ones, which the server must take.
func TestEachRunHasKeysOfItsOwn(t *testing.T) {
	const enough = 300 // inserts
	var mu sync.Mutex
	var inserts int
	keys, stop := map[string]bool{}, func() {}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		key := r.Header.Get("Idempotency-Key")
		if key != "" && keys[key] {
			w.Header().Set("Idempotent-Replayed", "true")
		}
		keys[key] = true
		if inserts++; err != nil || inserts >= enough {
			stop()
		}
		w.Header().Set("Trailer", "X-Scratch-Status")
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-Scratch-Status", "complete")
	}))
	defer server.Close()
	l := newLoad(&rig.Server{URL: server.URL, HTTP: server.Client()}, 1e9, 1)
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		mu.Lock()
		inserts, stop = 0, cancel
		mu.Unlock()
		if err := l.run(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
}

func TestInterval(t *testing.T) {
	for _, tt := range []struct{ duration, want time.Duration }{
		{time.Minute, 200 * time.Millisecond}, {time.Hour, 6 * time.Second}, {48 * time.Hour, 30 * time.Second},
	} {
		if got := interval(tt.duration); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.duration, got, tt.want)
		}
	}
}
