//go:build unix

package ingest

import "golang.org/x/sys/unix"

// freeSpace gives the bytes of dir's disk that this process may still use.
func freeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
