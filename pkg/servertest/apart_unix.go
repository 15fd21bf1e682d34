//go:build unix

package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// apart gives the server a process group of its own, so that all it starts ends with it, and nothing reaches it that is
// meant for the test.
func apart(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
}

// signal asks the server's group to end, or ends it.
func signal(cmd *exec.Cmd, hard bool) {
	sig := syscall.SIGTERM
	if hard {
		sig = syscall.SIGKILL
	}
	_ = syscall.Kill(-cmd.Process.Pid, sig) // fails when all of it has ended
}

// as lets cmd run as the user, as servers want that refuse to run as root. Whoever is not root runs it as himself.
func as(t testing.TB, cmd *exec.Cmd, name string, folders ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup(name)
	if err != nil {
		Missing(t, "there is no user %s: .ci/servers makes it", name)
	}
	uid, gid, err := ids(u)
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	for _, dir := range folders {
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(u *user.User) (uid, gid int, err error) {
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}
