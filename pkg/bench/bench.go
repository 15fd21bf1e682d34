// Package bench measures the program against the engine alone and against a server that does nothing.
//
// Every figure is a ratio of medians measured in one run, because machines differ and are noisy.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// Config says what to measure and how large.
type Config struct {
	Program string   // the binary under test, which is also run as `bench null` and `bench engine`
	Dir     string   // an empty folder with room for ten times the events
	Events  int      // how many nested events of about 150 bytes the bulk figures use
	Rounds  int      // how often each pair is measured
	Only    []string // names of the figures to measure; empty means all
	Configs []string // configuration files whose queues and blob stores are measured against the local ones

	// ClickHouse is the server that its figures are measured with, as clickhouse://user:password@host:9000?http_port=8123. Without
	// one they are left out.
	ClickHouse string
	// Rows is how many rows of 7 columns are loaded into it and read from it; 0 means a million. Fewer have no bar.
	Rows int
}

// figure is one line of the table.
type figure struct {
	name    string
	got     string  // what was measured
	against string  // what it was measured against
	ratio   float64 // got to against, or the value itself when there is nothing to compare with
	bar     float64 // 0 is none: the figure is for the record
	atMost  bool    // the bar is an upper one
	unit    string
}

func (f figure) ok() bool {
	switch {
	case f.bar == 0:
		return true
	case f.atMost:
		return f.ratio <= f.bar
	}
	return f.ratio >= f.bar
}

func (f figure) row() string {
	sign, verdict := "≥", "ok"
	if f.atMost {
		sign = "≤"
	}
	if !f.ok() {
		verdict = "MISSED"
	}
	if f.bar == 0 {
		return fmt.Sprintf("%s\t%s\t%s\t%.2f%s\t\t\n", f.name, f.got, f.against, f.ratio, f.unit)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%.2f%s\t%s %g%s\t%s\n", f.name, f.got, f.against, f.ratio, f.unit, sign, f.bar, f.unit, verdict)
}

// bench is one run.
type bench struct {
	cfg Config
	out io.Writer
}

// suite is the figures by name; one entry may give several.
var suite = []struct {
	name string
	run  func(*bench, context.Context) ([]figure, error)
}{
	{"one-row", (*bench).oneRow},
	{"bulk", (*bench).bulk},
	{"modes", (*bench).modes},
	{"clashes", (*bench).clashes},
	{"out", (*bench).formatsOut},
	{"select-1", (*bench).selectOne},
	{"clients", (*bench).clients},
	{"visible", (*bench).visible},
	{"memory", (*bench).memory},
	{"clickhouse", (*bench).clickHouse},
	{"pairs", (*bench).pairs},
}

// Run measures and prints the table to out. It returns an error when a bar was missed.
func Run(ctx context.Context, cfg Config, out io.Writer) error {
	b := &bench{cfg: cfg, out: out}
	var figures []figure
	for _, s := range suite {
		if len(cfg.Only) > 0 && !slices.Contains(cfg.Only, s.name) {
			continue
		}
		fmt.Fprintf(out, "measuring %s …\n", s.name)
		f, err := s.run(b, ctx)
		if err != nil {
			return fmt.Errorf("measure %s: %w", s.name, err)
		}
		figures = append(figures, f...)
	}
	return b.print(figures)
}

func (b *bench) print(figures []figure) error {
	var missed []string
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "figure\tmeasured\tagainst\tratio\tbar\t\n")
	for _, f := range figures {
		fmt.Fprint(w, f.row())
		if !f.ok() {
			missed = append(missed, f.name)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(missed) > 0 {
		return fmt.Errorf("bars missed: %s", strings.Join(missed, ", "))
	}
	return nil
}

// server starts the program in a folder of its own; stop ends it and removes the folder.
func (b *bench) server(ctx context.Context, name string) (srv *rig.Server, stop func() error, err error) {
	return b.serverWith(ctx, name, "")
}

// serverWith is server with a configuration file, or with the default configuration, and more in its environment.
func (b *bench) serverWith(ctx context.Context, name, config string, env ...string) (srv *rig.Server, stop func() error, err error) {
	dir := filepath.Join(b.cfg.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	if srv, err = rig.New(b.cfg.Program, dir); err != nil {
		return nil, nil, err
	}
	srv.Config, srv.Env = config, env
	if err := srv.Start(ctx); err != nil {
		return nil, nil, err
	}
	return srv, func() error {
		if err := srv.Stop(); err != nil {
			return err
		}
		return os.RemoveAll(dir)
	}, nil
}

func median(d []float64) float64 {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

func seconds(since time.Time) float64 { return time.Since(since).Seconds() }
