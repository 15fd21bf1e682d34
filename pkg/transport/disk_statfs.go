//go:build linux || darwin || freebsd

package transport

import "golang.org/x/sys/unix"

// freeSpace gives the bytes that may still be written on dir's disk.
func freeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
