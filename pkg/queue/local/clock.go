package local

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/sqlitedb"
)

// setBackMin is how far the machine's clock must be set back to be noticed: less makes messages wait for no longer than that.
const setBackMin = time.Second

// clock notices when the machine's clock is set back: the file's times are its.
type clock struct {
	read func() (wall time.Time, running time.Duration)

	mu      sync.Mutex
	wall    time.Time     // at the last look; guarded by mu
	running time.Duration // likewise
}

func newClock() *clock {
	begun := time.Now()
	c := &clock{read: func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(begun) // which nobody can set
	}}
	c.wall, c.running = c.read()
	return c
}

// setBack tells by how much the clock was set back since the last look, 0 when it was not.
func (c *clock) setBack() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, running := c.read()
	by := (running - c.running) - wall.Sub(c.wall)
	c.wall, c.running = wall, running
	if by < setBackMin {
		return 0
	}
	return by
}

// followClock takes what the clock was set back from the times of messages that are hidden. Else they would wait so much longer.
func (l *local) followClock(ctx context.Context) error {
	by := l.clock.setBack()
	if by == 0 {
		return nil
	}
	l.log.WarnContext(ctx, "the clock was set back, and leases with it", "by", by)
	return sqlitedb.InTx(ctx, l.db, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `update goqite set timeout = strftime('%Y-%m-%dT%H:%M:%fZ', timeout, ?)
			where queue = ? and timeout > strftime('%Y-%m-%dT%H:%M:%fZ')`, fmt.Sprintf("-%.3f seconds", by.Seconds()), name)
		return err
	})
}
