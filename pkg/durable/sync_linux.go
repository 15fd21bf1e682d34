package durable

import (
	"os"
	"syscall"
)

// Data makes f's content durable, with the little metadata needed to read it back (fdatasync).
func Data(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	serr := error(syscall.EINTR)
	if err := conn.Control(func(fd uintptr) {
		for serr == syscall.EINTR {
			serr = syscall.Fdatasync(int(fd))
		}
	}); err != nil {
		return err
	}
	if serr != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: serr}
	}
	return nil
}
