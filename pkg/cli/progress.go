package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/copier"
)

// progress shows how far a copy is: a bar on a terminal, elsewhere a line for each state.
type progress struct {
	to    io.Writer
	bar   *progressbar.ProgressBar // nil when to is no terminal
	state string
}

func newProgress(to io.Writer) *progress {
	p := &progress{to: to}
	if f, ok := to.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = newBar(to)
	}
	return p
}

// newBar makes a bar that is drawn by at alone: what turns a spinner between two reports would draw after close too.
func newBar(to io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions64(-1, progressbar.OptionSetWriter(to), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("rows"), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0), progressbar.OptionSetWidth(30), progressbar.OptionSetDescription(string(control.JobQueued)))
}

// at shows r. Nobody knows how many rows there will be while they are read; then it is known how many are to be loaded.
func (p *progress) at(r copier.Report) {
	changed := r.State != p.state
	p.state = r.State
	if p.bar == nil {
		if changed {
			fmt.Fprintf(p.to, "copy %s: %s\n", r.JobID, r.State) // what cannot be shown does not stop the copy
		}
		return
	}
	if changed {
		p.bar.Describe(r.State)
		if control.JobState(r.State) == control.JobLoading {
			p.bar.Reset() // while it knows no end it counts otherwise
			p.bar.ChangeMax64(max(r.RowsRead, 1))
		}
	}
	rows := r.RowsWritten
	if control.JobState(r.State) == control.JobReading {
		rows = r.RowsRead
	}
	_ = p.bar.Set64(rows) // as above
}

// close takes the bar away. The second close does nothing.
func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Clear() // as above
		p.bar = nil
	}
}
