package servertest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// SharePostgres runs a package's tests, which get their databases from one server: to start one for each takes longer than
// most of them. It is for TestMain, and gives what to exit with.
func SharePostgres(m *testing.M) int {
	var s Shared
	defer s.End()
	s.start("POSTGRES")
	return m.Run()
}

// Shared is servers that the tests of a package share, whichever are run: each is started when the first test needs it, and
// then is the one that the environment names. The zero value has none yet.
type Shared struct {
	mu      sync.Mutex
	all     whole
	started map[string]bool // guarded by mu; also those that could not be started
}

// Need lets the functions of this package that have the names (REDIS for Redis) give servers that are shared.
func (s *Shared) Need(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if starters[name] == nil {
			t.Fatalf("nothing named %s can be shared", name)
		}
		s.start(name)
	}
}

// starters start servers, and say how the environment names each.
var starters = map[string]func(testing.TB) string{
	"CLICKHOUSE": func(t testing.TB) string { return ClickHouse(t).dsn() },
	"FTP":        func(t testing.TB) string { return StartFTP(t, "explicit").dsn() },
	"GCS":        func(t testing.TB) string { return GCS(t).Endpoint },
	"POSTGRES":   func(t testing.TB) string { return StartPostgres(t).dsn },
	"RABBITMQ":   RabbitMQ,
	"REDIS":      Redis,
	"S3":         func(t testing.TB) string { return StartS3(t).dsn() },
	"SFTP":       func(t testing.TB) string { return StartSFTP(t).dsn() },
	"SQS":        func(t testing.TB) string { return SQS(t).Endpoint },
}

// start starts one, unless there is one. When it cannot be started, each test that asks for it says what is missing.
func (s *Shared) start(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, given := Given(name); given || s.started[name] {
		return
	}
	if s.started == nil {
		s.started = make(map[string]bool)
	}
	s.started[name] = true
	found := make(chan string, 1)
	go func() { // as what is fatal to a test ends its goroutine
		defer close(found)
		found <- starters[name](&s.all)
	}()
	if dsn, ok := <-found; ok {
		if err := os.Setenv("SCRATCH_TEST_"+name, dsn); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// End ends what was started.
func (s *Shared) End() { s.all.end() }

func (s *S3Server) dsn() string {
	return (&url.URL{Scheme: "http", User: url.UserPassword(s.AccessKeyID, s.SecretAccessKey), Host: s.Addr(), Path: "/",
		RawQuery: url.Values{"region": {s.Region}}.Encode()}).String()
}

func (s *FTPServer) dsn() string {
	return s.url("ftp", url.Values{"tls": {s.TLS}, "ca_file": {s.CAFile}})
}

func (s *SFTPServer) dsn() string {
	return s.url("sftp", url.Values{"private_key": {s.PrivateKey}, "host_key": {s.HostKey}})
}

func (s *FileServer) url(scheme string, query url.Values) string {
	query.Set("local", s.Local)
	return (&url.URL{Scheme: scheme, User: url.UserPassword(s.User, s.Password), Host: s.Addr(), Path: s.root, RawQuery: query.Encode()}).String()
}

func (s ClickHouseServer) dsn() string {
	return (&url.URL{Scheme: "clickhouse", User: url.UserPassword(s.User, s.Password), Host: s.Host + ":" + strconv.Itoa(s.TCP),
		RawQuery: url.Values{"http_port": {strconv.Itoa(s.HTTP)}}.Encode()}).String()
}

// whole stands for all tests of a package where one test is asked for. It has no more than starting a server takes.
type whole struct {
	testing.TB
	cleanups []func()
}

// Helper does nothing: there are no lines of a test.
func (w *whole) Helper() {}

// Context is never ended.
func (w *whole) Context() context.Context { return context.Background() }

// Cleanup notes what end calls.
func (w *whole) Cleanup(f func()) { w.cleanups = append(w.cleanups, f) }

// Failed tells nothing: which tests fail is not known here.
func (w *whole) Failed() bool { return false }

// TempDir is a folder that end removes.
func (w *whole) TempDir() string {
	dir, err := os.MkdirTemp("", "servers")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = os.RemoveAll(dir) }) // a folder for what is temporary
	return dir
}

// Error says what is wrong, of which nothing more comes.
func (w *whole) Error(args ...any) { fmt.Fprintln(os.Stderr, args...) }

// Fatal ends the goroutine.
func (w *whole) Fatal(args ...any) {
	w.Error(args...)
	runtime.Goexit()
}

// Fatalf ends the goroutine.
func (w *whole) Fatalf(format string, args ...any) { w.Fatal(fmt.Sprintf(format, args...)) }

// Logf is Error: what a server could not clean up is told too.
func (w *whole) Logf(format string, args ...any) { w.Error(fmt.Sprintf(format, args...)) }

// Skipf ends the goroutine.
func (w *whole) Skipf(string, ...any) { runtime.Goexit() }

func (w *whole) end() {
	for _, f := range slices.Backward(w.cleanups) {
		f()
	}
}
