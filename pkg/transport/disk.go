package transport

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// disk watches the free space, which loads into an embedded database use up.
type disk struct {
	dir   string
	need  int64
	free  func(dir string) (int64, error)
	log   *slog.Logger
	gauge prometheus.Gauge
	low   atomic.Bool
}

// await waits until there is enough space. It returns false when ctx has ended.
func (d *disk) await(ctx context.Context) bool {
	for ctx.Err() == nil {
		if d.enough(ctx) {
			return true
		}
		sleep(ctx, diskEvery)
	}
	return false
}

// enough looks at the disk and logs when the answer changed. A disk that cannot be asked counts as one with space: the
// database will say so when it has none.
func (d *disk) enough(ctx context.Context) bool {
	if d.need == 0 {
		return true
	}
	free, err := d.free(d.dir)
	low := err == nil && free < d.need
	if d.low.Swap(low) == low {
		return !low
	}
	if low {
		d.gauge.Set(1)
		d.log.ErrorContext(ctx, "disk too full, workers take no batches", "free_bytes", free, "need_bytes", d.need)
		return false
	}
	d.gauge.Set(0)
	d.log.InfoContext(ctx, "disk has space again, workers take batches", "free_bytes", free)
	return true
}

func (d *disk) check() error {
	if d.low.Load() {
		return fault.New(fault.Busy, "disk_low", "workers take no batches: less than %d bytes are free", d.need)
	}
	return nil
}
