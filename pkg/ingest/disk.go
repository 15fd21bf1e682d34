package ingest

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// freeFor is how long a look at the disk's free space counts.
const freeFor = time.Second

// disk watches the free space of the folder's disk.
type disk struct {
	least int64
	free  func() (int64, error)

	mu     sync.Mutex
	looked time.Time
	err    error // of the last look
}

// check returns fault.Busy while there is too little free space.
func (d *disk) check() error {
	if d.least <= 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.Sub(d.looked) >= freeFor || d.looked.IsZero() {
		d.looked, d.err = now, d.look()
	}
	return d.err
}

func (d *disk) look() error {
	free, err := d.free()
	if err != nil {
		return fault.New(fault.Busy, "disk_unknown", "the free disk space cannot be read").Because(err).Retry(10 * time.Second)
	}
	if free < d.least {
		return fault.New(fault.Busy, "disk_low", "free disk space is %d MiB, and inserts need %d MiB", free>>20, d.least>>20).Retry(10 * time.Second)
	}
	return nil
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
