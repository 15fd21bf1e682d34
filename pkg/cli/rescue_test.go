package cli

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2" // the driver, for what a person does by hand

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/loopback"
)

// site is a folder with the configuration of a server.
type site struct {
	t              *testing.T
	dir, port, url string
	config         string
}

// newSite makes one. On port 0 nobody who has the configuration alone finds the server.
func newSite(t *testing.T, port string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), port: port}
	s.config = writeConfig(t, fmt.Sprintf("data_dir: %s\napi: {port: %s}\nprometheus: {enabled: false}\n"+
		"uploads: {free_space_required: 0, max_file_age: 50ms}\nworkers: {free_space_required: 0}\n", s.dir, port))
	return s
}

// freePort gives a port for a server that comes later.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := loopback.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// serve runs the server until stop is called.
func (s *site) serve() (stop func()) {
	s.t.Helper()
	ctx, quit := context.WithCancel(s.t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	var log bytes.Buffer
	go func() {
		code <- Run(ctx, []string{s.config}, in, &log, "v1", noHangups)
		_ = in.Close()
	}()
	hello := make([]byte, 1<<10)
	n, err := out.Read(hello)
	if err != nil {
		quit()
		s.t.Fatalf("the server did not start: %d: %s", <-code, log.String())
	}
	_, address, _ := strings.Cut(string(hello[:n]), "address  ")
	s.url = strings.Fields(address)[0]
	return func() {
		quit()
		if got := <-code; got != exitOK {
			s.t.Errorf("the server ended with %d: %s", got, log.String())
		}
	}
}

// insert inserts rows and waits until they are loaded.
func (s *site) insert(table, rows string) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.url+"/api/data/insert/"+table+"?wait=true", strings.NewReader(rows))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+config.DefaultKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing of it is needed
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("insert into %s: got %s, want 200", table, resp.Status)
	}
}

// rescue runs the command and wants that code, and gives what it printed, with single spaces.
func (s *site) rescue(want int, args ...string) string {
	s.t.Helper()
	code, out, errs := run(s.t, append([]string{"rescue", "--config", s.config}, args...)...)
	if code != want {
		s.t.Errorf("rescue %v: got code %d %s %s, want %d", args, code, out, errs, want)
	}
	var lines []string
	for line := range strings.Lines(out + errs) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

// byHand runs statements on the database, whose server must not run.
func (s *site) byHand(statements ...string) {
	s.t.Helper()
	db, err := sql.Open("duckdb", filepath.Join(s.dir, "data.duckdb"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // what was done is in the file
	for _, st := range statements {
		if _, err := db.ExecContext(s.t.Context(), st); err != nil {
			s.t.Fatalf("%s: %v", st, err)
		}
	}
}

const (
	clashes = `[{"__row_id":"one","amount":1},{"__row_id":"two","amount":"many","note":"x"},{"__row_id":"three","amount":"few"},{"__row_id":"four","__batch_file":7}]`
	listed  = "3 rescued values\n\nCOLUMN TYPE VALUES\n__batch_file VARCHAR 1\namount BIGINT 2\n\nROW VALUES\n" +
		`two {"amount":"many"}` + "\nthree " + `{"amount":"few"}` + "\nfour " + `{"__batch_file":7}`
	replayed = "2 values went into their columns, in 2 rows; 1 are left"
	after    = "1 rescued values\n\nCOLUMN TYPE VALUES\n__batch_file VARCHAR 1\n\nROW VALUES\nfour " + `{"__batch_file":7}`
)

// The command says and does the same by a running server and without one.
func TestRescueWithAndWithoutAServer(t *testing.T) {
	s := newSite(t, freePort(t))
	want := func(form, table string, args ...string) {
		t.Helper()
		if got, want := s.rescue(exitOK, args...), table+": "+form; got != want {
			t.Errorf("rescue %v\n got %s\nwant %s", args, got, want)
		}
	}
	stop := s.serve()
	for _, table := range []string{"orders", "q.orders"} {
		s.insert(table, `{"amount":0}`)
		s.insert(table, clashes)
	}
	s.insert("clean", `{"amount":0}`)
	for _, running := range []bool{true, false} {
		if !running {
			stop()
		}
		want(listed, "orders", "orders")
		want(listed, "q.orders", "q.orders", "--destination", "1")
		want("nothing was rescued", "clean", "clean")
		want("0 values went into their columns, in 0 rows; 3 are left", "orders", "orders", "--replay")
		if got := s.rescue(exitOK, "orders", "--limit", "1"); !strings.Contains(got, "there are more") || strings.Contains(got, "three") {
			t.Errorf("limit 1: got %s, want one row and that there are more", got)
		}
		if got := s.rescue(exitFailed, "nowhere"); !strings.Contains(got, "nowhere") || !strings.Contains(got, "scratchdata: ") {
			t.Errorf("unknown table: got %s", got)
		}
	}
	s.byHand("ALTER TABLE orders ALTER amount TYPE VARCHAR", "ALTER TABLE q.orders ALTER amount TYPE VARCHAR")
	want(replayed, "orders", "orders", "--replay")
	stop = s.serve()
	defer stop()
	want(replayed, "q.orders", "q.orders", "--replay")
	want(after, "orders", "orders")
	want(after, "q.orders", "q.orders")
}

// A server that cannot be asked has the database, and keeps it.
func TestRescueBesideAServerThatCannotBeAsked(t *testing.T) {
	s := newSite(t, "0")
	defer s.serve()()
	s.insert("orders", clashes)
	if got := s.rescue(exitFailed, "orders"); !strings.Contains(got, "has the database open") {
		t.Errorf("got %s, want that somebody has the database: here it is this process", got)
	}
	s.insert("orders", clashes)
}

func TestRescueMistakes(t *testing.T) {
	s := newSite(t, freePort(t))
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no table", nil, exitUsage, "<table>"},
		{"bad table", []string{"a.b.c"}, exitUsage, "a.b.c"},
		{"no rows", []string{"orders", "--limit", "0"}, exitUsage, "--limit: 0 is not a number from 1 to 10000"},
		{"fewer than none", []string{"orders", "--limit=-1"}, exitUsage, "--limit: -1"},
		{"more rows than the API lists", []string{"orders", "--limit", "10001"}, exitUsage, "--limit: 10001"},
		{"unknown destination", []string{"orders", "--destination", "9"}, exitUsage, `no destination has the id "9"`},
		{"no configuration", []string{"orders", "--config", s.config + ".none"}, exitUsage, "no such file"},
	} {
		if got := s.rescue(tt.code, tt.args...); !strings.Contains(got, tt.says) {
			t.Errorf("%s: got %s, want %q in it", tt.name, got, tt.says)
		}
	}
	if files, err := os.ReadDir(s.dir); err != nil || len(files) > 0 {
		t.Errorf("got files %v, %v, want none to be made", files, err)
	}
	if err := os.Remove(s.dir); err != nil {
		t.Fatal(err)
	}
	if got := s.rescue(exitUsage, "orders"); !strings.Contains(got, "data folder") {
		t.Errorf("no folder: got %s, want that there is none", got)
	}
}

// What answers in the server's place is not passed by: only where nobody listens is the database opened.
func TestRescueOfServersThatFail(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		says   string
	}{
		{"a problem", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"code":"read_only","detail":"this server is read-only"}`)
		}, "the server answered 403 Forbidden: this server is read-only"},
		{"another program", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) },
			"the server answered 502 Bad Gateway"},
		{"another program that is content", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "invalid character"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "ask the server: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := make(chan string, 9)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.Method + " " + r.URL.EscapedPath() + " " + r.Header.Get("Authorization")
				tt.answer(w, r)
			}))
			defer srv.Close()
			_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			s := newSite(t, port)
			got := s.rescue(exitFailed, "two words", "--replay")
			if !strings.Contains(got, tt.says) {
				t.Errorf("got %s, want %q in it", got, tt.says)
			}
			if got, want := <-asked, "POST /api/tables/two%20words/rescued/replay Bearer "+config.DefaultKey; got != want {
				t.Errorf("asked %s, want %s", got, want)
			}
			if files, err := os.ReadDir(s.dir); err != nil || len(files) > 0 {
				t.Errorf("got files %v, %v, want none to be made", files, err)
			}
		})
	}
}

func TestRemoteIsAskedOnlyWhereItCanBe(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*config.Config)
		want string
	}{
		{"default", func(*config.Config) {}, "http://127.0.0.1:8080"},
		{"every address", func(c *config.Config) { c.API.Host = "0.0.0.0" }, "http://127.0.0.1:8080"},
		{"every address, IPv6", func(c *config.Config) { c.API.Host, c.API.Port = "::", 9 }, "http://[::1]:9"},
		{"no API", func(c *config.Config) { c.API.Enabled = false }, ""},
		{"a port that nobody knows", func(c *config.Config) { c.API.Port = 0 }, ""},
		{"no key", func(c *config.Config) { c.Destinations[0].APIKeys = nil }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config.Default()
			tt.set(&cfg)
			got := ""
			if r, ok := newRemote(cfg, cfg.Destinations[0]); ok {
				got = r.base
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
