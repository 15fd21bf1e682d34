package copier

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// How often a call of a store is tried, the pause doubling each time from the first on.
const (
	storeTries = 8
	firstPause = 250 * time.Millisecond
)

// insist makes a call of a store until it succeeds, fails for good, was tried often enough, or ctx ends: what was read for
// hours is not given up for a moment's failure. The call is one that may be made again.
func insist(ctx context.Context, log *slog.Logger, what string, call func() error) error {
	for try := 1; ; try++ {
		err := call()
		if err == nil || try == storeTries || ctx.Err() != nil || errors.Is(err, errLost) || !fault.Retryable(err) {
			return err
		}
		log.WarnContext(ctx, what+" failed, will retry", "try", try, "err", err)
		select {
		case <-time.After(firstPause << (try - 1)):
		case <-ctx.Done():
			return err
		}
	}
}
