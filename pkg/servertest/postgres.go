package servertest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// postgresUser is the superuser of the servers that are started here; postgresPassword is his.
const (
	postgresUser     = "scratch"
	postgresPassword = "pw"
)

// PostgresServer is a Postgres that answers.
type PostgresServer struct {
	dsn      string // of a database that is there
	programs string // the folder of its programs; empty when it was not started here
	dir      string // its data
	port     int
	cmd      *exec.Cmd
	done     <-chan struct{} // closed when it has ended
}

// Postgres gives the DSN of a new, empty database. The one that the environment names must let its user make databases.
func Postgres(t testing.TB) string {
	t.Helper()
	return FindPostgres(t).Database(t)
}

// FindPostgres gives the server that the environment names, or starts one. It is for tests that need several databases.
func FindPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	if dsn, ok := Given("POSTGRES"); ok {
		return &PostgresServer{dsn: dsn}
	}
	return StartPostgres(t)
}

// StartPostgres starts a server, which the test may stop and start again.
func StartPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // as Debian has them, beside the path
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(installed)
	s := &PostgresServer{programs: filepath.Dir(program(t, append(installed, "postgres")...)), port: FreePort(t)}
	// Not t.TempDir: its parent is closed to the user that the server runs as.
	if s.dir, err = os.MkdirTemp("", "postgres"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(s.dir); err != nil {
			t.Error(err)
		}
	})
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(postgresPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	initdb := exec.CommandContext(t.Context(), filepath.Join(s.programs, "initdb"), "-D", filepath.Join(s.dir, "data"), "-E", "UTF8",
		"--locale=C", "--no-sync", "--auth=scram-sha-256", "-U", postgresUser, "--pwfile", password)
	as(t, initdb, "postgres", s.dir, password)
	if err := run(t.Context(), initdb); err != nil {
		t.Fatal(err)
	}
	s.dsn = (&url.URL{Scheme: "postgres", User: url.UserPassword(postgresUser, postgresPassword),
		Host: "127.0.0.1:" + strconv.Itoa(s.port), Path: "/postgres"}).String()
	s.Start(t)
	return s
}

// Start starts a server that was stopped, on the port that it had.
func (s *PostgresServer) Start(t testing.TB) {
	t.Helper()
	// What it has written is kept when its processes end, which is all that a test can do to it: no need to wait for the disk.
	s.cmd = exec.Command(filepath.Join(s.programs, "postgres"), "-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=200")
	as(t, s.cmd, "postgres")
	s.done = start(t, s.cmd, s.answers)
	t.Cleanup(func() { s.end(os.Interrupt) }) // before the signal that would wait for its clients
}

// Stop ends the server in order; clients are cut off.
func (s *PostgresServer) Stop(t testing.TB) {
	t.Helper()
	s.mine(t)
	s.end(os.Interrupt)
}

// Crash ends the server at once: it has to recover when it is started again.
func (s *PostgresServer) Crash(t testing.TB) {
	t.Helper()
	s.mine(t)
	s.end(syscall.SIGQUIT)
}

func (s *PostgresServer) end(sig os.Signal) {
	_ = s.cmd.Process.Signal(sig) // fails when it has ended
	<-s.done
}

func (s *PostgresServer) mine(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		t.Fatal("the server of the environment is not for tests to stop: use StartPostgres")
	}
}

// answers tells whether the server takes connections: its port is open before that.
func (s *PostgresServer) answers(ctx context.Context) error {
	c, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

// Database makes a database, which is dropped when the test ends, and gives its DSN.
func (s *PostgresServer) Database(t testing.TB) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	if err := s.exec(t.Context(), "create database "+name); err != nil {
		t.Fatal(err)
	}
	if s.cmd == nil {
		t.Cleanup(func() {
			if err := s.exec(context.Background(), "drop database "+name+" with (force)"); err != nil { // t's own context has ended
				t.Error(err)
			}
		})
	}
	u, err := url.Parse(s.dsn)
	if err != nil {
		t.Fatal("SCRATCH_TEST_POSTGRES must be a URL: postgres://user:password@host:port/database")
	}
	u.Path = "/" + name
	return u.String()
}

func (s *PostgresServer) exec(ctx context.Context, sql string) error {
	c, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	defer c.Close(ctx) //nolint:errcheck // the statement's own error tells enough
	_, err = c.Exec(ctx, sql)
	return err
}
