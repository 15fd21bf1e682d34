package app

import (
	"context"
	"errors"
	"slices"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

// changes is how many changes were made, and how many could not be.
type changes struct{ made, failed int }

// become makes the destinations those of want, and tells publish which there are, with keys and limits as want has them.
// Each change is logged; what cannot be done stays as it was.
//
// New ones come first and then the keys, so that a key that moves is always known. One whose database is still that of
// another which is to go comes after that has gone.
func (l *live) become(ctx context.Context, want []config.Destination, publish func([]config.Destination)) (did changes) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return did
	}
	late := l.addNew(ctx, want, &did)
	publish(l.agree(want, &did))
	l.removeGone(ctx, want, &did)
	for _, c := range late {
		l.noteAdded(&did, c.ID, l.add(ctx, c))
	}
	l.replaceChanged(ctx, want, &did)
	publish(l.agree(want, &did))
	return did
}

// note logs and counts a change that was tried.
func (l *live) note(did *changes, id, made, failed string, err error) {
	if err != nil {
		did.failed++
		l.log.Error(failed, "destination", id, "err", err)
		return
	}
	did.made++
	l.log.Info(made, "destination", id)
}

// noteAdded is note of one that is new.
func (l *live) noteAdded(did *changes, id string, err error) {
	l.note(did, id, "destination added", "destination not added", err)
}

// addNew opens those of want that are not there yet, and gives those whose database this process has open already.
func (l *live) addNew(ctx context.Context, want []config.Destination, did *changes) (late []config.Destination) {
	for _, c := range want {
		if l.find(c.ID) >= 0 {
			continue
		}
		err := l.add(ctx, c)
		if errors.Is(err, destination.ErrInUse) {
			late = append(late, c)
			continue
		}
		l.noteAdded(did, c.ID, err)
	}
	return late
}

// agree takes over from want all but what a destination is opened with, and gives those of want that are there, in its order.
func (l *live) agree(want []config.Destination, did *changes) (there []config.Destination) {
	for _, c := range want {
		at := l.find(c.ID)
		if at < 0 {
			continue
		}
		was := l.list[at]
		c.Type, c.Settings = was.Type, was.Settings
		l.list[at] = c
		there = append(there, c)
		for _, key := range was.Changed(&c) {
			if !slices.Contains(livelyKeys, key) {
				continue // somebody else says that it needs a restart
			}
			did.made++
			if key == "api_keys" {
				l.log.Info("destination's API keys changed", "destination", c.ID, "added", less(c.APIKeys, was.APIKeys), "removed", less(was.APIKeys, c.APIKeys))
			} else {
				l.log.Info("destination changed", "destination", c.ID, "key", key)
			}
		}
	}
	return there
}

// less counts those of keys that are not in others.
func less(keys, others []secret.String) (n int) {
	for _, k := range keys {
		if !slices.Contains(others, k) {
			n++
		}
	}
	return n
}

// removeGone removes the destinations that are not in want.
func (l *live) removeGone(ctx context.Context, want []config.Destination, did *changes) {
	for _, c := range slices.Clone(l.list) {
		if indexOf(want, c.ID) >= 0 {
			continue
		}
		err := l.remove(ctx, c)
		l.note(did, c.ID, "destination removed", "destination not removed", err)
	}
}

// remove removes c. One that is in use is closed when it is not any more, whether that is waited for or not.
func (l *live) remove(ctx context.Context, c config.Destination) error {
	ctx, cancel := l.patient(ctx)
	defer cancel()
	err := l.set.Remove(ctx, c.ID)
	if l.set.Has(c.ID) {
		return err
	}
	l.list = slices.DeleteFunc(l.list, func(d config.Destination) bool { return d.ID == c.ID })
	if err != nil {
		l.log.Warn("the removed destination did not close well", "destination", c.ID, "err", err)
	}
	if l.drivers.Fleeting(&c) {
		l.log.Warn("the removed destination was in memory, its rows are gone", "destination", c.ID)
	}
	return nil
}

// replaceChanged opens those anew that want has other settings for.
func (l *live) replaceChanged(ctx context.Context, want []config.Destination, did *changes) {
	for _, c := range want {
		at := l.find(c.ID)
		if at < 0 || c.Type == l.list[at].Type && l.drivers.Destinations.Same(c.Type, &c.Settings, &l.list[at].Settings) {
			continue
		}
		err := l.replace(ctx, at, c)
		l.note(did, c.ID, "destination's settings changed", "destination's settings not changed", err)
	}
}

// errFleeting says why a destination stays as it is.
var errFleeting = errors.New("it is in memory, and would lose its rows: its new settings need a restart")

// replace opens the destination at the place at of the list as c says.
func (l *live) replace(ctx context.Context, at int, c config.Destination) error {
	was := l.list[at]
	if l.drivers.Fleeting(&was) {
		return errFleeting
	}
	ctx, cancel := l.patient(ctx)
	defer cancel()
	replaced, err := l.set.Replace(ctx, c.ID, l.opener(c), l.opener(was))
	if !replaced {
		return err
	}
	if err != nil {
		l.log.Warn("the destination before it did not close well", "destination", c.ID, "err", err)
	}
	l.list[at].Type, l.list[at].Settings = c.Type, c.Settings
	return nil
}
