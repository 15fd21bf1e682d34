package duckdb

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

// process names this process as no other ever is, the one with its id in another container among them.
var process = fmt.Sprintf("pid %d %s\n", os.Getpid(), rand.Text())

// errLocked is what the operating system's call gives when the lock is held.
var errLocked = errors.New("locked")

// lockFile takes the database file path for one opening. The engine's own lock keeps other processes away, but on Unix
// not a second opening in this one, which would destroy the file. The lock is on a file beside it, because to open and
// close the database file itself would drop the engine's lock. When it is this process that holds it, the error is
// destination.ErrInUse.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open DuckDB file %s: make its lock: %w", path, err)
	}
	err = tryLock(f)
	if errors.Is(err, errLocked) {
		err = whyLocked(path, f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	sign(f)
	return func() error { return errors.Join(f.Truncate(0), f.Close()) }, nil
}

// sign writes into the lock who holds it. A disk that is too full for it must not keep the database closed: then a
// second opening in this process is taken for another process's.
func sign(f *os.File) {
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(process), 0)
	}
}

func whyLocked(path string, f *os.File) error {
	signed := make([]byte, len(process))
	n, _ := f.ReadAt(signed, 0) // what cannot be read is not ours
	if string(signed[:n]) == process {
		return fmt.Errorf("open DuckDB file %s: %w: give each destination a file of its own", path, destination.ErrInUse)
	}
	return fmt.Errorf("open DuckDB file %s: another process has it open: stop that process, or give this destination a "+
		"file of its own", path)
}
