package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// lockName is the file in the data folder that a process holds locked while it uses the folder. The operating system
// frees it when the process ends, however it ends, so the file itself stays.
const lockName = "lock"

// errLocked is what the operating system's call gives when another process holds the lock.
var errLocked = errors.New("locked by another process")

// lockFolder makes dir this process's own until the lock is closed.
func lockFolder(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := lockFile(f); err != nil {
		if errors.Is(err, errLocked) {
			err = fault.New(fault.Exists, "folder_in_use",
				"the data folder %s is in use by another process%s; stop it, or set another data_dir", dir, holder(f))
		} else {
			err = fmt.Errorf("lock the data folder %s: %w", dir, err)
		}
		return nil, errors.Join(err, f.Close())
	}
	if err := sign(f); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// sign writes this process's id into the lock file, for people.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder tells the id of the process that signed the lock file, if it can be read.
func holder(f *os.File) string {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0) // an unreadable file only makes the message shorter
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
		return fmt.Sprintf(" (pid %d)", pid)
	}
	return ""
}
