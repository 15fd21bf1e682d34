package app

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// TestHundredClientsNobodyStarves: with the default limits, eight queries at a time of which four are heavy ones, each of a
// hundred clients gets answers, and none less than half as many as the others.
func TestHundredClientsNobodyStarves(t *testing.T) {
	r := serve(t, load(t, environ(t.TempDir())))
	const light, heavy, each = 100, 4, 20
	var left atomic.Int64
	left.Store(light * each)
	counts := make([]int, light+heavy)
	var clients sync.WaitGroup
	for i := range counts {
		sql := "select 1"
		if i >= light {
			sql = "select count(*) from range(3000000) t(i) where hash(i) % 7 = 1"
		}
		c := newClient(t, r.url)
		clients.Go(func() {
			for left.Load() > 0 {
				status, text, err := c.try("POST", "/api/data/query", sql)
				if err != nil || status != http.StatusOK {
					t.Errorf("client %d: got %d %s, %v", i, status, text, err)
					return
				}
				counts[i]++
				if i < light {
					left.Add(-1)
				}
			}
		})
	}
	clients.Wait()
	fewest := counts[0]
	for i, n := range counts {
		if n == 0 {
			t.Errorf("client %d got no answer", i)
		}
		if i < light {
			fewest = min(fewest, n)
		}
	}
	if fewest < each/2 {
		t.Errorf("one client got %d answers, the mean is %d: %v", fewest, each, counts)
	}
	t.Logf("the fewest answers are %d of %d, the heavy clients got %v", fewest, each, counts[light:])
	r.mustStop()
}
