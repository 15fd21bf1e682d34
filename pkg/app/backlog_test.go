package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// adding is a store that says what waits as often as it is asked.
type adding struct {
	control.Batches
	answers chan func() (map[string]int64, error)
}

func (a adding) Waiting(context.Context) (map[string]int64, error) { return (<-a.answers)() }

// What waits is told again and again. While it cannot be, the last answer counts, and the log says so once.
func TestBacklogIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var told []int64
		a := adding{answers: make(chan func() (map[string]int64, error))}
		b := &backlog{batches: a, log: slog.New(slog.NewTextHandler(&log, nil)),
			addUp: func(sum func() (map[string]int64, error)) error {
				bytes, err := sum()
				if err == nil {
					told = append(told, bytes["1"])
				}
				return err
			}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.run(ctx) }()
		for _, n := range []int64{5, -1, -1, 7, -1} {
			a.answers <- func() (map[string]int64, error) {
				if n < 0 {
					return nil, errors.New("away")
				}
				return map[string]int64{"1": n}, nil
			}
		}
		synctest.Wait()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(told) != 2 || told[0] != 5 || told[1] != 7 {
			t.Errorf("got %v told, want 5 and 7", told)
		}
		if n := strings.Count(log.String(), "away"); n != 2 {
			t.Errorf("got %d warnings, want one each time that it began: %s", n, log.String())
		}
	})
}
