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
	var serr error
	if err := conn.Control(func(fd uintptr) { serr = syscall.Fdatasync(int(fd)) }); err != nil {
		return err
	}
	return os.NewSyscallError("fdatasync", serr)
}
