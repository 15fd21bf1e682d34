// Package loopback finds ports of this machine for servers that are stopped and started again.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports are below those that systems give to whoever asks for any (on Linux from 32768 on), so that nobody gets one by
// chance while its server is away.
const (
	first = 10_000
	last  = 32_767
)

// FreePort gives a port of 127.0.0.1 that nobody listens on.
func FreePort() (port int, err error) {
	const tries = 100
	for range tries {
		port = first + rand.IntN(last-first+1)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}
