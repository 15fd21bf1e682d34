package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// Nodes says how the server is spread over processes. The zero value is one that does all.
type Nodes struct {
	Config  string // of all nodes: stores that they share
	Takers  int    // that take rows and do not load
	Loaders int    // that load and take none
	// What takers and loaders have in their environment beside that.
	TakerEnv, LoaderEnv []string
}

// fleet is the processes under test.
type fleet struct {
	takers  []*rig.Server // that rows are sent to
	loaders []*rig.Server // that are asked; with one process the same
}

// newFleet makes the processes, which are not started yet.
func newFleet(cfg Config) (*fleet, error) {
	n := cfg.Nodes
	if n.Takers == 0 {
		srv, err := rig.New(cfg.Program, cfg.Dir)
		return &fleet{takers: []*rig.Server{srv}, loaders: []*rig.Server{srv}}, err
	}
	f := &fleet{}
	add := func(list *[]*rig.Server, name string, env []string) error {
		dir := filepath.Join(cfg.Dir, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		srv, err := rig.New(cfg.Program, dir)
		if err != nil {
			return err
		}
		srv.Config, srv.Env = n.Config, env
		*list = append(*list, srv)
		return nil
	}
	var errs []error
	for i := range n.Takers {
		errs = append(errs, add(&f.takers, fmt.Sprintf("taker%d", i), append([]string{"SCRATCH_WORKERS_ENABLED=false"}, n.TakerEnv...)))
	}
	for i := range n.Loaders {
		errs = append(errs, add(&f.loaders, fmt.Sprintf("loader%d", i), append([]string{"SCRATCH_UPLOADS_ENABLED=false"}, n.LoaderEnv...)))
	}
	return f, errors.Join(errs...)
}

// all lists the processes.
func (f *fleet) all() []*rig.Server {
	if f.takers[0] == f.loaders[0] {
		return f.takers
	}
	return append(append([]*rig.Server{}, f.takers...), f.loaders...)
}

func (f *fleet) any(rng *rand.Rand) *rig.Server {
	all := f.all()
	return all[rng.IntN(len(all))]
}

// taking draws a process that takes rows.
func (f *fleet) taking(rng *rand.Rand) *rig.Server { return f.takers[rng.IntN(len(f.takers))] }

// asked is a process that answers queries.
func (f *fleet) asked() *rig.Server { return f.loaders[0] }

func (f *fleet) start(ctx context.Context) error {
	for _, s := range f.all() {
		if err := s.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stop asks all processes to stop, those that take rows first.
func (f *fleet) stop() error {
	var errs []error
	for _, s := range f.all() {
		errs = append(errs, s.Stop())
	}
	return errors.Join(errs...)
}

// kill ends those that run.
func (f *fleet) kill() error {
	var errs []error
	for _, s := range f.all() {
		errs = append(errs, s.Kill())
	}
	return errors.Join(errs...)
}

// drain waits until every process says that no row is left on its way.
func (f *fleet) drain(ctx context.Context) error {
	for _, s := range f.all() {
		if err := drain(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
