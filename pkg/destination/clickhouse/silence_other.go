//go:build !linux

package clickhouse

import (
	"syscall"
	"time"
)

// endSilent leaves it to the system how long it tries to send what is not heard of.
func endSilent(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
