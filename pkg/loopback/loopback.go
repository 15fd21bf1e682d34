// Package loopback finds ports of this machine for servers that are stopped and started again.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
)

// The ports are below those that systems give to whoever asks for any (on Linux from 32768 on), so that nobody gets one by
// chance while its server is away.
const (
	first = 10_000
	last  = 32_767
)

// FreePort gives a port of 127.0.0.1 that nobody listens on, and on Linux nobody else gets from FreePort while this process lives.
func FreePort() (port int, err error) {
	const tries = 100
	for range tries {
		port = first + rand.IntN(last-first+1)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
			continue
		}
		if err = errors.Join(reserve(port), l.Close()); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// reserve takes a name that stands for the port, in all processes of the machine. It is free again when this one ends.
func reserve(port int) error {
	if runtime.GOOS != "linux" { // where there are such names
		return nil
	}
	_, err := net.Listen("unix", "@scratchdata-port-"+strconv.Itoa(port))
	return err
}
