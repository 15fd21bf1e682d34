package soak

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// use is what a server that has nothing to do still has.
type use struct {
	goroutines int
	open       []string // descriptors
}

func (s *soak) idle(ctx context.Context) (use, error) {
	n, err := s.srv.Metric(ctx, "go_goroutines")
	if err != nil {
		return use{}, err
	}
	open, err := s.srv.Descriptors()
	return use{int(n), open}, err
}

// settling is how long a server that has nothing to do any more may take to put away what it used.
const settling = time.Minute

// left waits until the server has no more than it had before, and else says what it has.
func (s *soak) left(ctx context.Context, before use, sockets int) (left []string, err error) {
	tick, end := time.NewTicker(100*time.Millisecond), time.NewTimer(settling)
	defer tick.Stop()
	defer end.Stop()
	for {
		now, err := s.idle(ctx)
		if err != nil {
			return nil, err
		}
		if left = now.beyond(before, sockets); len(left) == 0 {
			return nil, nil
		}
		select {
		case <-tick.C:
		case <-end.C:
			return left, nil
		case <-ctx.Done():
			return left, ctx.Err()
		}
	}
}

// pooled is how many descriptors of one file may stay open that was open before: connections to the server's own SQLite files,
// which are opened when they are first needed at a time.
const pooled = 8

// logs end the name of what a database opens beside its own file with the first write after a checkpoint, and closes with the
// next: whether it is open says when the checkpoint was, not that something was left. One of DuckDB, two of SQLite.
var logs = []string{".wal", "-wal", "-shm"}

// beyond says what now has that before had not. So many more sockets are right.
func (now use) beyond(before use, sockets int) (more []string) {
	if now.goroutines > before.goroutines {
		more = append(more, fmt.Sprintf("%d goroutines instead of %d", now.goroutines, before.goroutines))
	}
	had := tally(before.open)
	for name, n := range tally(now.open) {
		most := had[name]
		switch {
		case name == "socket":
			most += sockets
		case strings.HasPrefix(name, "/") && had[database(name)] > 0:
			most = max(most, pooled)
		}
		if n > most {
			more = append(more, fmt.Sprintf("%d descriptors of %s instead of %d", n, name, had[name]))
		}
	}
	slices.Sort(more)
	return more
}

// database is the file that name is of, when it is the log of one, and else name.
func database(name string) string {
	for _, log := range logs {
		if file, ok := strings.CutSuffix(name, log); ok {
			return file
		}
	}
	return name
}

// tally counts descriptors by what they are of: a file, or a kind such as sockets.
func tally(open []string) map[string]int {
	counts := make(map[string]int)
	for _, name := range open {
		if kind, _, ok := strings.Cut(name, ":["); ok {
			name = kind
		}
		counts[name]++
	}
	return counts
}
