//go:build unix

package duckdb

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the database file path for one opening. The engine's own lock keeps other processes away, but not a
// second opening in this one, which would destroy the file. The lock is on a file beside it, because to open and close
// the database file itself would drop the engine's lock.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open DuckDB file %s: make its lock: %w", path, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("open DuckDB file %s: another process or another destination of this one has it open: "+
			"stop that process, or give this destination a file of its own", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
