package ingest

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCrowdExpects(t *testing.T) {
	const patience = 200 * time.Microsecond
	for _, tt := range []struct {
		name     string
		served   int
		meantime *group
		patience time.Duration
		pending  int
		want     bool
	}{
		{"nothing was served yet", 0, nil, 0, 1, false},
		{"a lonely client", 1, nil, patience, 1, false},
		{"all are here", 5, nil, patience, 5, false},
		{"more than there were", 5, nil, patience, 6, false},
		{"some are likely to come", 5, nil, patience, 4, true},
		{"those that gathered meanwhile count", 3, &group{inserts: 2}, patience, 4, true},
		{"they are all here", 3, &group{inserts: 2}, patience, 5, false},
		{"nobody waits for the disk", 5, nil, 0, 4, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := crowd{patience: tt.patience}
			c.served(tt.served, tt.meantime)
			if got := c.expect(tt.pending); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCrowdWaits(t *testing.T) {
	for _, tt := range []struct {
		name     string
		patience time.Duration
		comes    int // so many are there after 100 µs
		want     time.Duration
	}{
		{"until all are here", time.Millisecond, 5, 100 * time.Microsecond},
		{"no longer than a sync", time.Millisecond, 4, time.Millisecond},
		{"no longer than that of a slow disk", time.Second, 4, maxPatience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, start := crowd{patience: tt.patience}, time.Now()
				c.served(5, nil)
				if !c.expect(1) {
					t.Fatal("nobody is expected")
				}
				var mu sync.Mutex
				go func() {
					time.Sleep(100 * time.Microsecond)
					mu.Lock()
					defer mu.Unlock()
					for n := 2; n <= tt.comes; n++ {
						c.joined(n)
					}
				}()
				c.wait()
				if got := time.Since(start); got != tt.want {
					t.Errorf("got a wait of %v, want %v", got, tt.want)
				}
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				c.joined(5) // those that come too late, also twice, do no harm
				c.joined(6)
			})
		})
	}
}

// Clients that insert one after the other come to share each sync, instead of halves that wait for each other.
func TestClientsShareEachSync(t *testing.T) {
	const clients, inserts = 8, 50
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, func(c *Config) { c.MaxAge = time.Hour })
		d := rig(w)
		d.onSync = func() error {
			time.Sleep(time.Millisecond)
			return nil
		}
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Microsecond) // they do not begin together
				for range inserts {
					insert(t, w, `{"a":1}`, Options{})
				}
			})
		}
		all.Wait()
		if _, syncs := d.count(); syncs > inserts*5/4 {
			t.Errorf("%d clients with %d inserts each took %d syncs, want little more than %d", clients, inserts, syncs, inserts)
		}
	})
}
