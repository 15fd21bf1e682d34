//go:build unix

package app

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock on f, or errLocked at once.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return os.NewSyscallError("flock", err)
}
