package servertest

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Vanish does as a host whose power is gone: nothing is heard of it any more, on connections that are open and on new ones, and nobody
// is told so.
func (p *Proxy) Vanish(t testing.TB) {
	t.Helper()
	p.Hold()
	p.mu.Lock()
	defer p.mu.Unlock()
	errs := []error{deafen(p.listener.(*net.TCPListener))}
	for c := range p.pairs {
		errs = append(errs, deafen(c.client.(*net.TCPConn)))
	}
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// deafen has the system drop all that comes to a socket, before it is acknowledged.
func deafen(of syscall.Conn) error {
	c, err := of.SyscallConn()
	if err != nil {
		return err
	}
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]})
	})
	return errors.Join(cerr, err)
}
