package fileserver

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// leftOver is the age at which nobody writes to a temporary file any more. The file of a slow Put in another process that
// is removed all the same costs that Put an error, and no blob.
const leftOver = 24 * time.Hour

// tidyEvery is how often a store looks for files that were left while it runs.
const tidyEvery = time.Hour

// tidy removes the temporary files that were left. How old they are it learns by a new one of its own, so that the server's
// clock and time zone do not matter.
func (s *Store) tidy(c *call) error {
	probe := s.newTemp()
	if err := create(c, probe, strings.NewReader("probe")); err != nil {
		return err
	}
	entries, err := c.List(s.temps())
	if err != nil {
		return errors.Join(err, c.Remove(probe))
	}
	s.tidied.Store(time.Now().Unix())
	removed := 0
	for _, name := range oldest(entries, path.Base(probe)) {
		if err := c.Remove(path.Join(s.temps(), name)); err == nil { // another server may have been first
			removed++
		}
	}
	if removed > 0 {
		s.log.Info("unfinished blobs removed", "files", removed)
	}
	return c.Remove(probe)
}

// oldest lists the files that are much older than the probe.
func oldest(entries []Entry, probe string) []string {
	var now time.Time
	for _, e := range entries {
		if e.Name == probe {
			now = e.Time
		}
	}
	var names []string
	for _, e := range entries {
		if !e.Folder && !now.IsZero() && !e.Time.IsZero() && now.Sub(e.Time) > leftOver {
			names = append(names, e.Name)
		}
	}
	return names
}

// tidyAgain tidies when the last time is long ago.
func (s *Store) tidyAgain(ctx context.Context) {
	last := s.tidied.Load()
	if time.Since(time.Unix(last, 0)) < tidyEvery || !s.tidied.CompareAndSwap(last, time.Now().Unix()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, abortTimeout)
	defer cancel()
	if err := s.call(ctx, s.tidy); err != nil {
		s.log.WarnContext(ctx, "unfinished blobs not removed", "err", fmt.Errorf("tidy %s: %w", s.temps(), err))
	}
}
