package endtoend

import (
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// Two nodes get each batch at the same time, several times. Its rows are in the database that they share once.
func TestTwoNodesLoadOneBatch(t *testing.T) {
	t.Parallel()
	servers.Need(t, "CLICKHOUSE")
	ch := servertest.ClickHouse(t)
	var r road
	r.onFiles(t)
	r.throughPostgres(t)
	r.inPostgres(t)
	r.taker = r.newTaker(t)
	r.taker.start()
	more := fmt.Sprintf("destinations: [{id: 1, type: clickhouse, api_keys: [local], settings: {host: %s, tcp_port: %d, username: %s, password: %s, database: %s}}]\n",
		ch.Host, ch.TCP, ch.User, ch.Password, ch.Database)
	r.loader = r.newLoader(t, more)
	other := r.newLoader(t, more)
	for round := range 2 {
		n := r.numbers(t, fmt.Sprintf("round_%d", round))
		n.batches()
		n.triple()
		var both errgroup.Group
		for _, at := range []*node{r.loader, other} {
			both.Go(func() error { return at.Start(t.Context()) })
		}
		if err := both.Wait(); err != nil {
			t.Fatal(err)
		}
		n.awaitOnce()
		other.mustStop()
		r.loader.mustStop()
	}
	r.loader.start()
	for round := range 2 {
		n := r.numbers(t, fmt.Sprintf("round_%d", round))
		n.sent = fewBatches * 10
		n.wantOnce() // what came late has not changed it
	}
	r.wantNothingLeft(t)
}
