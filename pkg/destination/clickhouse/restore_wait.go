package clickhouse

import (
	"context"
	"errors"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

const (
	firstLook     = 20 * time.Millisecond
	seldomestLook = 5 * time.Second
	mostFailures  = 9  // looks that find a mutation failing, until it is taken back: it may be that memory is short for a moment
	mostLost      = 30 // looks that find no server, two minutes of them
)

// queued is a mutation in the server's queue. Each server has its own, and tells of no other's.
type queued struct {
	*restore
	mark string // a part of its text that no other has
}

// progress is how far a mutation is.
type progress int

const (
	absent progress = iota // it has not come yet, or was taken back, or is forgotten
	working
	finished
)

// of is the SQL of the table's mutations.
func (q queued) of() string {
	return "database = " + literal(q.database) + " AND table = " + literal(q.name)
}

// which is the SQL of which one it is.
func (q queued) which() string { return q.of() + " AND position(command, " + literal(q.mark) + ") > 0" }

// look asks how far the mutation is, and what keeps it from going on: one that came before it and fails does so too.
func (q queued) look(ctx context.Context) (p progress, reason string, err error) {
	rows, err := q.d.admin.rows(ctx, "SELECT toString(is_done), (SELECT ifNull(max(latest_fail_reason), '') FROM system.mutations WHERE "+q.of()+" AND NOT is_done AND create_time <= "+
		"(SELECT max(create_time) FROM system.mutations WHERE "+q.which()+")) FROM system.mutations WHERE "+q.which()+" ORDER BY is_done LIMIT 1")
	switch {
	case err != nil:
		return working, "", err
	case len(rows) == 0:
		return absent, "", nil
	case rows[0][0] == "1":
		return finished, "", nil
	}
	return working, rows[0][1], nil
}

// wait waits until done says that it is enough, and gives how far the mutation is then: still working where it may be. One that fails
// again and again is taken back. A server that is away for a while is waited for.
func (q queued) wait(ctx context.Context, done func(context.Context, progress) (bool, error)) (progress, error) {
	failures, lost := 0, 0
	for wait := firstLook; ; wait = min(2*wait, seldomestLook) {
		p, reason, err := q.look(ctx)
		enough := false
		if err == nil {
			enough, err = done(ctx, p)
		}
		switch {
		case enough:
			return p, err
		case err == nil:
			lost = 0
		case lost == mostLost || !passes(err):
			return p, ended(ctx, err)
		default:
			lost++
		}
		if failures++; reason == "" {
			failures = 0
		}
		if failures == mostFailures {
			return q.takeBack(ctx, reason)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return p, ctx.Err()
		}
	}
}

// passes reports whether err is of a server that cannot be asked now.
func passes(err error) bool {
	var e *serverError
	return lostConnection(err) || errors.Is(err, fault.Busy) || errors.As(err, &e) && busy(e) != nil
}

// takeBack takes a mutation out of the queue that keeps failing, and says why. What it has changed stays changed, and another replay does
// the rest.
func (q queued) takeBack(ctx context.Context, reason string) (progress, error) {
	failed := fault.New(fault.Unprocessable, "mutation_failed", "the server cannot finish a mutation of %s, or one before it: %s", q.table, reason)
	if err := q.kill(ctx); err != nil {
		return working, errors.Join(failed, err)
	}
	return absent, failed
}

// kill takes the mutation out of the queue of all hosts.
func (q queued) kill(ctx context.Context) error {
	_, cluster := q.where()
	return q.d.admin.do(ctx, request{sql: "KILL MUTATION" + cluster + " WHERE NOT is_done AND " + q.which(), settings: q.d.knows.known(q.d.defineSettings()...)})
}

// takenBack is that somebody else has killed a mutation of ours.
func (q queued) takenBack() error {
	return fault.New(fault.Unprocessable, "mutation_killed", "somebody has taken a mutation of %s out of the server's queue", q.table)
}
