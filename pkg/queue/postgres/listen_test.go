package postgres

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// checkWakes passes a message to and fro between two processes. Were it found by looking now and then, each turn would take
// half of hearingEvery.
func checkWakes(t *testing.T, dsn string) {
	const turns = 20
	cfg, back := config(dsn), config(dsn)
	back.Table = "back"
	pass := func(from, to *postgres) {
		for range turns {
			m, err := receiveBy(t.Context(), from, long, soon)
			if err := errors.Join(err, to.Send(t.Context(), m.Body)); err != nil {
				t.Errorf("pass on: %v", err)
				return
			}
		}
	}
	here, there := [2]*postgres{newQueue(t, cfg), newQueue(t, back)}, [2]*postgres{newQueue(t, cfg), newQueue(t, back)}
	var wg sync.WaitGroup
	start := time.Now()
	wg.Go(func() { pass(here[0], here[1]) })
	wg.Go(func() { pass(there[1], there[0]) })
	send(t, there[0], "ball")
	wg.Wait()
	if got, limit := time.Since(start), turns*deafEvery; got > limit {
		t.Errorf("%d turns took %v, want less than %v", 2*turns, got, limit)
	}
}

// checkDeaf keeps a receiver from hearing what is sent, then lets it hear again.
func checkDeaf(t *testing.T, dsn string) {
	const terminate = "select pg_terminate_backend(pid, 30000) from pg_stat_activity where query like 'listen %' and datname = current_database()"
	q, other := newQueue(t, config(dsn)), newQueue(t, config(dsn))
	for range 2 {
		results := make(chan error, 1)
		go func() {
			m, err := receiveBy(t.Context(), q, long, soon)
			results <- errors.Join(err, q.Delete(t.Context(), m))
		}()
		awaitHearing(t, q)
		deaf := q.ears.watch() // it may hear again before a look at hearing
		exec(t, dsn, terminate)
		select {
		case <-deaf:
		case <-time.After(soon):
			t.Fatal("it does not learn that its connection was lost")
		}
		start := time.Now()
		send(t, other, "a")
		if err := <-results; err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got > hearingEvery {
			t.Errorf("it took %v, want less than %v", got, hearingEvery)
		}
	}
}

func awaitHearing(t *testing.T, q *postgres) {
	t.Helper()
	late := time.After(soon)
	for {
		changed := q.ears.watch() // before the look, so that no change is missed
		if q.ears.hearing.Load() {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatal("it does not hear")
		}
	}
}
