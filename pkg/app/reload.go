package app

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/scratchdata/scratchdata/pkg/config"
)

// Reloads says when a running server is to read its configuration again, and reads it. The zero value never does.
type Reloads struct {
	Asked <-chan os.Signal              // has an element each time
	Read  func() (config.Config, error) // gives every mistake at once
}

// reloading makes what waits for reloads. It stops first, so that nothing changes while the rest stops.
func (s *server) reloading(r Reloads) {
	if r.Asked == nil {
		return
	}
	s.stages = append(s.stages, stage{name: "reloader", run: func(ctx context.Context) error {
		for {
			select {
			case <-r.Asked:
				s.reload(ctx, r.Read)
			case <-ctx.Done():
				return nil
			}
		}
	}})
}

// reload takes over what has changed in the configuration. With a mistake in it, nothing is.
func (s *server) reload(ctx context.Context, read func() (config.Config, error)) {
	cfg, err := read()
	if err == nil {
		err = s.checkAgain(cfg)
	}
	if err != nil {
		s.log.Error("configuration read again: nothing has changed, because of mistakes in it", "err", err)
		return
	}
	did := s.live.become(ctx, cfg.Destinations, s.publish)
	if keys := s.needRestart(cfg); len(keys) > 0 {
		s.log.Warn("changed keys of the configuration need a restart", "keys", keys)
	}
	s.log.Info("configuration read again", "changes", did.made, "failed", did.failed)
}

// checkAgain checks the destinations as this process would open them: below the data folder that it began with. A file
// that has none any more is more likely one that is just being written than the wish to lose them all.
func (s *server) checkAgain(cfg config.Config) error {
	cfg.DataDir = s.cfg.DataDir
	m := new(config.Mistakes)
	if s.cfg.Given("destinations") && !cfg.Given("destinations") {
		m.Add(cfg.Mistake("destinations", "they are not given any more; a restart begins with the default one"))
	}
	m.Add(s.drivers.Check(&cfg)...)
	return m.Err()
}

// publish tells the parts which destinations there are.
func (s *server) publish(list []config.Destination) {
	cfg := s.cfg
	cfg.Destinations = list
	s.current.Store(&list)
	s.keys.Replace(keysOf(cfg))
	if s.runner != nil {
		s.runner.SetLimits(queryLimits(cfg))
	}
	if s.writer == nil {
		return
	}
	if err := s.writer.Rotate(rotationsOf(cfg)); err != nil { // the check of the configuration is stricter
		s.log.Error("limits of batches not changed", "err", err)
	}
}

// livelyKeys are the keys of a destination that can change while the server runs.
var livelyKeys = []string{"id", "name", "type", "api_keys", "copy_from", "query", "settings", "max_file_size", "max_file_age", "max_rows"}

// needRestart lists the keys that have another value than the server began with and that it cannot change while it runs.
func (s *server) needRestart(cfg config.Config) []string {
	keys := s.cfg.Changed(&cfg)
	for i := range cfg.Destinations {
		var was config.Destination
		if at := indexOf(s.cfg.Destinations, cfg.Destinations[i].ID); at >= 0 {
			was = s.cfg.Destinations[at]
		}
		for _, key := range was.Changed(&cfg.Destinations[i]) {
			if !slices.Contains(livelyKeys, key) {
				keys = append(keys, fmt.Sprintf("destinations[%d].%s", i, key))
			}
		}
	}
	return keys
}
