package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// Nodes says how the server is spread over processes. The zero value is one that does all.
type Nodes struct {
	// Config is the configuration file of all nodes: a blob store, a queue and a database that they share, and first among the
	// destinations one that takes several clients. All are empty.
	Config string
	APIs   int // nodes that take rows and do not load
	Loads  int // nodes that load and take none
	// Servers are those between the nodes which are to crash, too: each function has one do so, and starts it again.
	Servers []func()
}

// fleet is the processes under test.
type fleet struct {
	apis  []*rig.Server // that rows are sent to
	loads []*rig.Server // that are asked; with one process the same
}

// newFleet makes the processes, which are not started yet.
func newFleet(cfg Config) (*fleet, error) {
	n := cfg.Nodes
	if n.Config == "" {
		srv, err := rig.New(cfg.Program, cfg.Dir)
		return &fleet{apis: []*rig.Server{srv}, loads: []*rig.Server{srv}}, err
	}
	if n.APIs < 1 || n.Loads < 1 {
		return nil, fmt.Errorf("%d nodes that take rows and %d that load them: each must be there", n.APIs, n.Loads)
	}
	f := &fleet{}
	var errs []error
	for i := range n.APIs {
		errs = append(errs, f.add(&f.apis, cfg, fmt.Sprintf("api%d", i+1), "SCRATCH_WORKERS_ENABLED=false"))
	}
	for i := range n.Loads {
		errs = append(errs, f.add(&f.loads, cfg, fmt.Sprintf("worker%d", i+1), "SCRATCH_UPLOADS_ENABLED=false"))
	}
	return f, errors.Join(errs...)
}

// add makes a node that has a folder of its own, and differs from the others by what a variable of the environment says.
func (f *fleet) add(list *[]*rig.Server, cfg Config, name, variable string) error {
	dir := filepath.Join(cfg.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	srv, err := rig.New(cfg.Program, dir)
	if err != nil {
		return err
	}
	srv.Config = cfg.Nodes.Config
	srv.Env = []string{variable, "SCRATCH_DATA_DIR=" + filepath.Join(dir, "data"), "SCRATCH_API_HOST=127.0.0.1",
		"SCRATCH_DESTINATIONS_0_ID=" + destinationID, "SCRATCH_DESTINATIONS_0_API_KEYS=" + rig.Key}
	*list = append(*list, srv)
	return nil
}

// destinationID is what copies call the destination.
const destinationID = "1"

// groups lists the processes, together those that end one at a time.
func (f *fleet) groups() [][]*rig.Server {
	if f.apis[0] == f.loads[0] {
		return [][]*rig.Server{f.apis}
	}
	return [][]*rig.Server{f.apis, f.loads}
}

// all lists the processes, those that take rows first.
func (f *fleet) all() (all []*rig.Server) {
	for _, g := range f.groups() {
		all = append(all, g...)
	}
	return all
}

// any draws a process.
func (f *fleet) any(rng *rand.Rand) *rig.Server {
	all := f.all()
	return all[rng.IntN(len(all))]
}

// taking draws a process that takes rows.
func (f *fleet) taking(rng *rand.Rand) *rig.Server { return f.apis[rng.IntN(len(f.apis))] }

// asked is a process that answers queries.
func (f *fleet) asked() *rig.Server { return f.loads[0] }

// start starts the processes, which must find no rows.
func (f *fleet) start(ctx context.Context) error {
	for _, s := range f.all() {
		if err := s.Start(ctx); err != nil {
			return err
		}
	}
	return f.fresh(ctx)
}

// fresh gives an error when there are rows of an earlier run, which nobody could tell from those of this one.
func (f *fleet) fresh(ctx context.Context) error {
	if n, err := f.asked().Number(ctx, "select count(*) from torture_0"); err == nil {
		return fmt.Errorf("the destination has a table torture_0 already, with %d rows: it must be empty", n)
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
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	for _, s := range f.all() {
		if err := s.AwaitDrained(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
