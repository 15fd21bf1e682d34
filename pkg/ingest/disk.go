package ingest

import (
	"errors"
	"sync"
	"sync/atomic"
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
	taken atomic.Int64 // bytes of inserts since the last look
	spare atomic.Int64 // bytes that were free at the last look, beside the least

	mu     sync.Mutex
	looked time.Time
	err    error // of the last look
}

// trusted is how much of what a look has found may be taken before the next: one part in so many, or a little.
const (
	trustedPart   = 8
	trustedAlways = 1 << 20
)

// check returns fault.Busy while there is too little free space.
func (d *disk) check() error {
	if d.least <= 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.Sub(d.looked) >= freeFor || d.looked.IsZero() || d.taken.Load() > max(d.spare.Load()/trustedPart, trustedAlways) {
		d.looked, d.err = now, d.look()
	}
	return d.err
}

// took notes that an insert takes so many bytes.
func (d *disk) took(bytes int64) { d.taken.Add(bytes) }

// share returns fault.Busy while so many bytes that wait for one destination are more than its share of the disk: as much as is
// left for all others. So a destination that cannot be loaded, while its rows gather, never takes the room of others, nor that
// which its own loads need: alone it has half of the disk, and of n such ones each has one part of n+1.
func (d *disk) share(waiting int64) error {
	if d.least <= 0 {
		return nil
	}
	if left := d.left(); waiting > left {
		return fault.New(fault.Busy, "backlog_full",
			"%d MiB of rows wait to be loaded into this destination, and may be no more than the %d MiB that are left on disk for others",
			waiting>>20, left>>20).Retry(10 * time.Second)
	}
	return nil
}

// left gives the bytes that inserts may take.
func (d *disk) left() int64 { return max(d.spare.Load()-d.taken.Load(), 0) }

func (d *disk) look() error {
	d.taken.Store(0)
	free, err := d.free()
	if err != nil {
		return fault.New(fault.Busy, "disk_unknown", "the free disk space cannot be read").Because(err).Retry(10 * time.Second)
	}
	d.spare.Store(free - d.least)
	if free < d.least {
		return fault.New(fault.Busy, "disk_low", "free disk space is %d MiB, and inserts need %d MiB", free>>20, d.least>>20).Retry(10 * time.Second)
	}
	return nil
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
