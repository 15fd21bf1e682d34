package clickhouse

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endSilent has the system end a connection when what was sent on it is not heard of for so long: by itself it tries for a quarter of
// an hour.
func endSilent(after time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(after.Milliseconds()))
		})
		return errors.Join(err, set)
	}
}
