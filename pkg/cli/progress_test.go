package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/copier"
)

// On a terminal a bar says what a copy does and how far it is: rows that were read, and then of these how many are loaded.
func TestProgressBar(t *testing.T) {
	var screen bytes.Buffer
	p := &progress{to: &screen, bar: newBar(&screen)}
	for _, tt := range []struct {
		report copier.Report
		want   []string
	}{
		{copier.Report{State: string(control.JobQueued)}, []string{"queued"}},
		{copier.Report{State: string(control.JobReading), RowsRead: 500}, []string{"reading", "500/-"}},
		{copier.Report{State: string(control.JobLoading), RowsRead: 2000}, []string{"loading", "0/2000"}},
		{copier.Report{State: string(control.JobLoading), RowsRead: 2000, RowsWritten: 1500}, []string{"loading", "75%", "1500/2000"}},
	} {
		screen.Reset()
		p.at(tt.report)
		if err := p.bar.RenderBlank(); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(screen.String(), want) {
				t.Errorf("%+v: got %q, want %q in it", tt.report, screen.String(), want)
			}
		}
	}
	screen.Reset()
	p.close()
	p.close()
	if got := strings.TrimSpace(screen.String()); got != "" {
		t.Errorf("the screen has %q left, want an empty line", got)
	}
}
