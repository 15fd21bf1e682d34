package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// senders is how many connections the bulk figures use.
const senders = 4

// bulk measures durable NDJSON inserts in MB/s against json.Valid over the same bytes, and the time until every row
// answers a count against DuckDB alone loading the same file.
func (b *bench) bulk(ctx context.Context) ([]figure, error) {
	path, size, err := b.writeEvents(b.cfg.Events)
	if err != nil {
		return nil, err
	}
	var taken, loaded, valid, engine []float64
	for round := range b.cfg.Rounds {
		t, l, err := b.bulkRound(ctx, round, path, b.cfg.Events)
		if err != nil {
			return nil, err
		}
		v, err := validSeconds(path)
		if err != nil {
			return nil, err
		}
		e, err := b.engine(ctx, "load", path)
		if err != nil {
			return nil, err
		}
		taken, loaded = append(taken, t), append(loaded, l)
		valid, engine = append(valid, v), append(engine, e)
	}
	mb := float64(size) / 1e6
	t, l, v, e := median(taken), median(loaded), median(valid), median(engine)
	return []figure{
		{name: "NDJSON bulk, durable, 8 MB bodies, 4 connections", got: fmt.Sprintf("%.0f MB/s", mb/t),
			against: fmt.Sprintf("json.Valid %.0f MB/s", mb/v), ratio: v / t, bar: 1},
		{name: "the same until every row answers a count", got: fmt.Sprintf("%.1f s", l),
			against: fmt.Sprintf("DuckDB alone %.1f s", e), ratio: l / e, bar: 2.5, atMost: true},
	}, os.Remove(path)
}

// bulkRound sends the file to a fresh server and gives the seconds until the last acknowledgement and until the last
// row answers a count.
func (b *bench) bulkRound(ctx context.Context, round int, path string, rows int) (taken, loaded float64, err error) {
	srv, stop, err := b.server(ctx, "bulk-"+strconv.Itoa(round))
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := send(ctx, srv, "/api/data/insert/bulk", path); err != nil {
		return 0, 0, err
	}
	taken = seconds(start)
	if err := srv.AwaitNumber(ctx, "select count(*) from bulk", int64(rows), 20*time.Millisecond); err != nil {
		return 0, 0, err
	}
	return taken, seconds(start), stop()
}

// send posts the whole file to url in bodies of 8 MB over 4 connections.
func send(ctx context.Context, srv *rig.Server, url, path string) error {
	pieces := make(chan []byte)
	errs := make(chan error, senders)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			c := rig.NewClient()
			defer c.CloseIdleConnections()
			for body := range pieces {
				status, text, err := srv.Post(ctx, c, url, bytes.NewReader(body))
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d: %s", status, text)
				}
				if err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
	err := bodies(path, bodySize, func(body []byte) error {
		select {
		case pieces <- body:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(pieces)
	wg.Wait()
	close(errs)
	return errors.Join(<-errs, err)
}

// validSeconds is how long encoding/json.Valid takes for the file's lines, on one core, reading not counted.
func validSeconds(path string) (float64, error) {
	var total time.Duration
	err := bodies(path, bodySize, func(body []byte) error {
		start := time.Now()
		for line := range bytes.Lines(body) {
			if !json.Valid(line) {
				return fmt.Errorf("not valid: %.80q", line)
			}
		}
		total += time.Since(start)
		return nil
	})
	return total.Seconds(), err
}

// engine runs the engine alone in a process of its own and gives the seconds that it reports.
func (b *bench) engine(ctx context.Context, task, path string) (float64, error) {
	dir, err := os.MkdirTemp(b.cfg.Dir, "engine-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // below the folder that the caller removes
	cmd := exec.CommandContext(ctx, b.cfg.Program, "bench", "engine", task, path, filepath.Join(dir, "engine.duckdb"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("the engine alone: %w", err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}
