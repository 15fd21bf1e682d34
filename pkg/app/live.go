package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/scratchdata/scratchdata/pkg/builtin"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/health"
)

// live is the open destinations, and how they are configured now: the program may have begun with others.
type live struct {
	set      *destination.Set
	drivers  builtin.Drivers
	patience time.Duration // how long callers wait while a destination is changed that others still use
	log      *slog.Logger

	turn chan struct{}        // whoever's element is in it adds, changes and removes destinations
	list []config.Destination // guarded by turn
}

// find gives where in the list the destination id is, below 0 when it is not.
func (l *live) find(id string) int { return indexOf(l.list, id) }

func indexOf(list []config.Destination, id string) int {
	return slices.IndexFunc(list, func(d config.Destination) bool { return d.ID == id })
}

// opener opens a destination as c says.
func (l *live) opener(c config.Destination) destination.Opener {
	return func(ctx context.Context) (destination.Destination, error) {
		return l.drivers.Destinations.Open(ctx, c.Type, &c.Settings, l.log.With("destination", c.ID))
	}
}

// add opens a destination. The caller has the turn.
func (l *live) add(ctx context.Context, c config.Destination) error {
	d, err := l.opener(c)(ctx)
	if err != nil {
		return fmt.Errorf("open destination %s of type %s: %w", c.ID, c.Type, err)
	}
	if err := l.set.Add(c.ID, d); err != nil {
		return errors.Join(err, d.Close())
	}
	l.list = append(l.list, c)
	return nil
}

// patient ends what waits for those who use a destination.
func (l *live) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, l.patience, fmt.Errorf("it is not done within %v", l.patience))
}

// reopen is health's Reopener. What is in memory alone stays open whatever happens, and so does what is only slow where
// one at a time can be open, as all its callers would have to wait for that.
func (l *live) reopen(ctx context.Context, id string, look func(context.Context) error) (bool, error) {
	select {
	case l.turn <- struct{}{}:
	default: // somebody changes destinations just now: the next look will tell
		return false, nil
	}
	defer func() { <-l.turn }()
	at := l.find(id)
	if at < 0 || l.drivers.Fleeting(&l.list[at]) {
		return false, nil
	}
	err := look(ctx)
	if err == nil {
		return false, nil
	}
	ctx, cancel := l.patient(ctx)
	defer cancel()
	open := l.opener(l.list[at])
	fresh := open
	if errors.Is(err, health.ErrLate) {
		fresh = beside(open)
	}
	return l.set.Replace(ctx, id, fresh, open)
}

// beside opens what can be opened while the one before is open.
func beside(open destination.Opener) destination.Opener {
	return func(ctx context.Context) (destination.Destination, error) {
		d, err := open(ctx)
		if errors.Is(err, destination.ErrInUse) {
			return nil, errors.New("it is open, but slow, and cannot be opened a second time beside that")
		}
		return d, err
	}
}
