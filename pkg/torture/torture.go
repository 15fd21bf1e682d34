// Package torture kills the server under load and accounts for every row that it acknowledged.
package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Config says how long and how hard.
type Config struct {
	Program  string        // the binary under test
	Dir      string        // an empty folder
	Duration time.Duration // of load and kills; the account comes after it
	Clients  int
	Seed     uint64 // of the kills and the sizes
	Nodes    Nodes
}

// Account is the outcome.
type Account struct {
	Acknowledged int64 // rows whose insert was answered 200
	Unanswered   int64 // rows whose insert was not: each insert's may be there whole, or not at all
	Lost         int64 // acknowledged and not in the table
	Doubled      int64 // in the table more than once
	Torn         int64 // inserts of which only a part is in the table
	Orphans      int64 // rows that went to two tables, and are not once in each
	Copies       int   // copies that are done, each row of which is in the table once
	BadCopies    int   // others
	Dead         int   // batches whose load was given up
	Replayed     int64 // inserts that were sent again, as their answer was lost, and were there already
	Kills, Terms int   // SIGKILLs and SIGTERMs sent
	Crashes      int   // of servers between the nodes
}

// OK reports whether every promise was kept, and the run was one that could have broken them.
func (a Account) OK() bool {
	return a.Lost == 0 && a.Doubled == 0 && a.Torn == 0 && a.Orphans == 0 && a.BadCopies == 0 && a.Dead == 0 &&
		a.Acknowledged > 0 && a.Copies > 0 && a.Replayed > 0 && a.Kills+a.Terms > 0
}

// String gives the line that people read.
func (a Account) String() string {
	return fmt.Sprintf("acknowledged %d / lost %d / doubled %d / torn %d / orphans %d / copies %d / not exact %d / dead batches %d  (unanswered %d, replayed inserts %d, %d SIGKILL, %d SIGTERM, %d crashes of servers)",
		a.Acknowledged, a.Lost, a.Doubled, a.Torn, a.Orphans, a.Copies, a.BadCopies, a.Dead, a.Unanswered, a.Replayed, a.Kills, a.Terms, a.Crashes)
}

// Run tortures and returns the account. Progress goes to out.
func Run(ctx context.Context, cfg Config, out io.Writer) (Account, error) {
	f, err := newFleet(cfg)
	if err != nil {
		return Account{}, err
	}
	if err := f.start(ctx); err != nil {
		return Account{}, errors.Join(err, f.kill())
	}
	fmt.Fprintf(out, "torture: %d clients for %v, seed %d\n", cfg.Clients, cfg.Duration, cfg.Seed)
	clients := make([]*client, cfg.Clients)
	load, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	patience, stopAll := context.WithCancel(ctx)
	defer stopAll()
	var wg sync.WaitGroup
	for i := range clients {
		clients[i] = newClient(i, cfg.Seed, f)
		wg.Go(func() { clients[i].run(load, patience) })
	}
	wg.Go(func() { newCopyist(cfg.Seed, f).run(load) })
	a, err := kills(ctx, cfg, f)
	stopLoad()
	time.AfterFunc(lastTries, stopAll)
	wg.Wait()
	if err != nil {
		return a, errors.Join(err, f.kill())
	}
	start := time.Now()
	if err := f.drain(ctx); err != nil {
		return a, errors.Join(err, f.kill())
	}
	fmt.Fprintf(out, "torture: all rows are loaded, %.1f s after the last kill\n", time.Since(start).Seconds())
	if err := errors.Join(account(ctx, f.asked(), clients, &a), accountCopies(ctx, f.asked(), &a), accountDead(ctx, f.asked(), &a, out)); err != nil {
		return a, errors.Join(err, f.kill())
	}
	return a, f.stop()
}

// lastTries is how long clients try to get their last insert answered, when nobody kills the server any more.
const lastTries = time.Minute
