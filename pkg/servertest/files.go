package servertest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// filesUser is whom servers of files run as where the tests run as root: a user that Debian always has.
const filesUser = "daemon"

// FileServer is a server of files that answers.
type FileServer struct {
	Host     string
	Port     int
	User     string
	Password string // empty when it is of no use
	Local    string // the folder on this machine that clients' folders are in; empty when it is elsewhere

	root    string           // the same folder, as clients name it
	dir     string           // of all that the server has
	command func() *exec.Cmd // nil when it was not started here
	cmd     *exec.Cmd
	done    <-chan struct{} // closed when it has ended
}

// newFileServer gives a server that has yet to be started.
func newFileServer(t testing.TB, name string) *FileServer {
	t.Helper()
	// Not t.TempDir: its parent is closed to the user that the server runs as.
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	data := filepath.Join(dir, "data")
	mkdirs(t, data)
	return &FileServer{Host: "127.0.0.1", Port: FreePort(t), Local: data, root: data, dir: dir}
}

// givenFileServer gives the server that a URL names.
func givenFileServer(t testing.TB, kind, given string, port int) (s *FileServer, query url.Values) {
	t.Helper()
	u, err := url.Parse(given)
	if err != nil || u.User == nil {
		t.Fatalf("SCRATCH_TEST_%s must be a URL with a user, a password and a folder", kind)
	}
	s = &FileServer{Host: u.Hostname(), Port: port, User: u.User.Username(), Local: u.Query().Get("local"), root: u.Path}
	s.Password, _ = u.User.Password()
	if text := u.Port(); text != "" {
		if s.Port, err = strconv.Atoi(text); err != nil {
			t.Fatalf("SCRATCH_TEST_%s: the port %q is no number", kind, text)
		}
	}
	return s, u.Query()
}

// runs makes the server's command.
func (s *FileServer) runs(t testing.TB, program string, args ...string) {
	t.Helper()
	owned := []string{s.dir}
	err := filepath.WalkDir(s.dir, func(name string, _ os.DirEntry, err error) error {
		owned = append(owned, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.command = func() *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Dir = s.dir
		as(t, cmd, filesUser, owned...)
		return cmd
	}
}

// runner is the user that the server runs as.
func runner(t testing.TB) *user.User {
	t.Helper()
	find := user.Current
	if os.Getuid() == 0 {
		find = func() (*user.User, error) { return user.Lookup(filesUser) }
	}
	u, err := find()
	if err != nil {
		Missing(t, "the server has no user to run as: %v", err)
	}
	return u
}

// put writes a file of the server's.
func (s *FileServer) put(t testing.TB, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Start starts a server that was stopped, on the port that it had.
func (s *FileServer) Start(t testing.TB) {
	t.Helper()
	s.cmd = s.command()
	s.done = start(t, s.cmd, listens(s.Port))
	t.Cleanup(s.Crash)
}

// Stop ends the server as a shutdown of its machine does.
func (s *FileServer) Stop() { s.end(syscall.SIGTERM) }

// Crash ends the server at once.
func (s *FileServer) Crash() { s.end(syscall.SIGKILL) }

// end ends the server and what it has started for its clients, which outlives it.
func (s *FileServer) end(sig syscall.Signal) {
	for _, pid := range descendants(s.cmd.Process.Pid) {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Signal(sig) // fails when it has ended
		}
	}
	_ = s.cmd.Process.Signal(sig) // likewise
	<-s.done
}

// descendants lists the processes that pid has started, and those that they have.
func descendants(pid int) []int {
	found := []int{pid}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return nil
	}
	parents := make(map[int]int)
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // ended meanwhile
		}
		var state string
		var child, parent int
		_, rest, _ := strings.Cut(string(text), ") ") // the end of the program's name
		_, err1 := fmt.Sscanf(string(text), "%d", &child)
		if _, err2 := fmt.Sscanf(rest, "%s %d", &state, &parent); err1 == nil && err2 == nil {
			parents[child] = parent
		}
	}
	for more := true; more; {
		more = false
		for child, parent := range parents {
			if slices.Contains(found, parent) && !slices.Contains(found, child) {
				found, more = append(found, child), true
			}
		}
	}
	return found[1:]
}

// Addr is the server's host and port.
func (s *FileServer) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }
