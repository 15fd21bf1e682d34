package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// modeShare is which part of the events the figures of this file use.
const modeShare = 4

// modes measures durable inserts and their loads in each flatten mode against horizontal.
func (b *bench) modes(ctx context.Context) ([]figure, error) {
	rows := b.cfg.Events / modeShare
	path, size, err := b.writeEvents(rows)
	if err != nil {
		return nil, err
	}
	modes := [...]struct{ name, table string }{ // the table that is loaded last
		{"horizontal", "bulk"}, {"vertical", "bulk"}, {"multitable", "user"}, {"none", "bulk"},
	}
	taken, loaded := make([][]float64, len(modes)), make([][]float64, len(modes))
	for round := range b.cfg.Rounds {
		for i, m := range modes {
			t, l, err := b.insertAndLoad(ctx, fmt.Sprintf("mode-%s-%d", m.name, round), "", "/api/data/insert/bulk?flatten="+m.name, path,
				fmt.Sprintf(`select count(*) from "%s"`, m.table), int64(rows))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			taken[i], loaded[i] = append(taken[i], t), append(loaded[i], l)
		}
	}
	mb := float64(size) / 1e6
	var figures []figure
	for i, m := range modes {
		figures = append(figures,
			figure{name: "flatten=" + m.name + ", durable", got: fmt.Sprintf("%.0f MB/s", mb/median(taken[i])),
				against: fmt.Sprintf("horizontal %.0f MB/s", mb/median(taken[0])), ratio: median(taken[0]) / median(taken[i])},
			figure{name: "flatten=" + m.name + ", until loaded", got: fmt.Sprintf("%.2f M documents/s", float64(rows)/1e6/median(loaded[i])),
				against: fmt.Sprintf("horizontal %.2f M/s", float64(rows)/1e6/median(loaded[0])), ratio: median(loaded[0]) / median(loaded[i])})
	}
	return figures, os.Remove(path)
}

// clashes measures how fast rows are loaded of which each has a value that its column cannot hold, against rows that have
// none.
func (b *bench) clashes(ctx context.Context) ([]figure, error) {
	rows := b.cfg.Events / modeShare
	clean, _, err := b.writeEvents(rows)
	if err != nil {
		return nil, err
	}
	clashing, _, err := b.write("clashes", rows, rig.AppendClash)
	if err != nil {
		return nil, err
	}
	var fast, slow []float64
	for round := range b.cfg.Rounds {
		for _, of := range []struct {
			path string
			to   *[]float64
		}{{clean, &fast}, {clashing, &slow}} {
			first := string(rig.AppendEvent(nil, 0)) // which makes the columns
			_, l, err := b.insertAndLoad(ctx, fmt.Sprintf("clash-%d", round), first, "/api/data/insert/bulk", of.path,
				"select count(*) from bulk", int64(rows)+1)
			if err != nil {
				return nil, err
			}
			*of.to = append(*of.to, l)
		}
	}
	if err := os.Remove(clean); err != nil {
		return nil, err
	}
	return []figure{{name: "rows with a value each that clashes, until loaded", got: fmt.Sprintf("%.2f M rows/s", float64(rows)/1e6/median(slow)),
		against: fmt.Sprintf("clean rows %.2f M rows/s", float64(rows)/1e6/median(fast)), ratio: median(fast) / median(slow), bar: 0.5}}, os.Remove(clashing)
}

// insertAndLoad sends first and then the file to url of a fresh server, and gives the seconds until the file's last
// acknowledgement, and until count answers want.
func (b *bench) insertAndLoad(ctx context.Context, name, first, url, path, count string, want int64) (taken, loaded float64, err error) {
	srv, stop, err := b.server(ctx, name)
	if err != nil {
		return 0, 0, err
	}
	if err := insertFirst(ctx, srv, first); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := send(ctx, srv, url, path); err != nil {
		return 0, 0, err
	}
	taken = seconds(start)
	if err := srv.AwaitNumber(ctx, count, want, 20*time.Millisecond); err != nil {
		return 0, 0, err
	}
	return taken, seconds(start), stop()
}

// insertFirst inserts a body, if there is one, and waits until it is loaded.
func insertFirst(ctx context.Context, srv *rig.Server, body string) error {
	if body == "" {
		return nil
	}
	status, text, err := srv.Post(ctx, srv.HTTP, "/api/data/insert/bulk?wait=true", strings.NewReader(body))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, text)
	}
	return err
}
