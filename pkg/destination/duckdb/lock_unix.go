//go:build unix

package duckdb

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock on f until f is closed, or errLocked at once, also when this process has it.
func tryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return os.NewSyscallError("flock", err)
}
