package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/controltest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// proxied gives the DSN with a proxy before its server.
func proxied(t testing.TB, dsn string) (*servertest.Proxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := servertest.NewProxy(t, u.Host)
	u.Host = p.Addr()
	return p, u.String()
}

// wrong gives the DSN with another user and password, host or database, where one is given.
func wrong(t testing.TB, dsn, user, host, database string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		u.User = url.UserPassword(user, "hunter2/@#")
	}
	if host != "" {
		u.Host = host
	}
	if database != "" {
		u.Path = "/" + database
	}
	return u.String()
}

// with gives the DSN with a parameter.
func with(t testing.TB, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String()
}

// admin runs statements beside any store.
func admin(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range statements {
		if _, err := c.Exec(context.Background(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// ofDatabase sets what new connections to this database begin with.
func ofDatabase(setting string) string {
	return "do $$ begin execute format('alter database %I set ' || '" + strings.ReplaceAll(setting, "'", "''") + "', current_database()); end $$"
}

func TestOpenMigratesOnce(t *testing.T) {
	dsn := servertest.Postgres(t)
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	steps, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s, err := Open(t.Context(), settings(dsn), log)
		if err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		if got := strings.Count(out.String(), "tables brought up to date"); got != len(steps) {
			t.Errorf("got %d migrations, want %d in all:\n%s", got, len(steps), out.String())
		}
	}
	if strings.Contains(out.String(), ":pw") {
		t.Errorf("the log has the password:\n%s", out.String())
	}
}

// TestServersOpenAtOnce is as when several servers are started at the same time for the first time: by the schema's name or
// without one, which is the same schema.
func TestServersOpenAtOnce(t *testing.T) {
	dsn := servertest.Postgres(t)
	var out bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(locker{&mu, &out}, nil))
	var wg sync.WaitGroup
	var stores [6]control.Store
	for i := range stores {
		c := settings(dsn)
		if i%2 == 0 {
			c.Schema = "public"
		}
		wg.Go(func() {
			s, err := Open(t.Context(), c, log)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			stores[i] = s
		})
	}
	wg.Wait()
	steps, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "tables brought up to date"); got != len(steps) {
		t.Errorf("got %d migrations, want %d in all:\n%s", got, len(steps), out.String())
	}
	for i, s := range stores {
		if s == nil {
			continue
		}
		if b, err := s.Batches().Attempt(t.Context(), control.Batch{ID: "a"}); err != nil || b.Attempts != i+1 {
			t.Errorf("store %d: got attempt %d and %v, want %d", i, b.Attempts, err, i+1)
		}
		closeStore(t, s)
	}
}

// locker is a log that many write.
type locker struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (l locker) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

// TestSchemasAreApart has two stores in two schemas of one database, and tables of others beside them.
func TestSchemasAreApart(t *testing.T) {
	dsn := servertest.Postgres(t)
	admin(t, dsn, "create table jobs (their_own int)", "create table goose_db_version (their_own int)")
	var stores []*store
	for _, schema := range []string{"one", "Two; drop schema one"} {
		c := settings(dsn)
		c.Schema = schema
		s := openWith(t, c)
		t.Cleanup(func() { closeStore(t, s) })
		stores = append(stores, s)
	}
	for i, s := range stores {
		bury(t, s, "a", "r")
		if _, err := s.Queries().Save(t.Context(), control.NamedQuery{Name: "a"}, true); err != nil {
			t.Errorf("store %d: %v", i, err)
		}
		if got := find(t, s, "a"); got.Attempts != 1 {
			t.Errorf("store %d: got %d attempts, want 1", i, got.Attempts)
		}
	}
	s, err := Open(t.Context(), settings(dsn), slog.New(slog.DiscardHandler))
	if s != nil || err == nil || !strings.Contains(err.Error(), `relation "jobs" already exists`) {
		t.Errorf("a schema with other tables: got %v, want an error that says which", err)
	}
}

func TestOpenRefusesNewerTables(t *testing.T) {
	dsn := servertest.Postgres(t)
	closeStore(t, openWith(t, settings(dsn)))
	admin(t, dsn, "insert into "+versions+" (version_id, is_applied) values (99, true)")
	s, err := Open(t.Context(), settings(dsn), slog.New(slog.DiscardHandler))
	if s != nil || !errors.Is(err, errNewer) || !strings.Contains(err.Error(), "its tables have version 99, and this program knows up to 5: it was written by a newer version") {
		t.Errorf("got %v, want an error that says the versions", err)
	}
}

// TestOpenSaysWhatIsWrong has a server of its own, which asks for passwords and gets roles.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	dsn := servertest.StartPostgres(t).Database(t)
	admin(t, dsn, "create role reader login password 'hunter2/@#'")
	closed, gone := proxied(t, dsn)
	closed.Refuse(true)
	for _, tt := range []struct{ name, dsn, schema, want string }{
		{"a wrong password", wrong(t, dsn, "scratch", "", ""), "", `password authentication failed for user "scratch"`},
		{"an unknown user", wrong(t, dsn, "nobody", "", ""), "", `password authentication failed for user "nobody"`},
		{"a missing database", wrong(t, dsn, "", "", "missing"), "", `database "missing" does not exist`},
		{"nobody there", wrong(t, dsn, "", "127.0.0.1:1", ""), "", "127.0.0.1:1"},
		{"an unknown host", wrong(t, dsn, "", "nowhere.invalid", ""), "", "nowhere.invalid"},
		{"a server that hangs up", gone, "", "failed to connect"},
		{"a standby", with(t, dsn, "default_transaction_read_only", "on"), "", "it takes no writes"},
		{"an unknown parameter", with(t, dsn, "no_such_setting", "1"), "", `unrecognized configuration parameter "no_such_setting"`},
		{"no right to make tables", wrong(t, dsn, "reader", "", ""), "", "permission denied for schema public"},
		{"no right to make a schema", wrong(t, dsn, "reader", "", ""), "mine", "make schema mine: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := settings(tt.dsn)
			c.Schema = tt.schema
			if err := c.Validate(); err != nil {
				t.Fatalf("validate: %v", err)
			}
			var out bytes.Buffer
			s, err := Open(t.Context(), c, slog.New(slog.NewTextHandler(&out, nil)))
			if s != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "open database ") {
				t.Errorf("got %v, want an error that says %q", err, tt.want)
			}
			for _, text := range []string{err.Error(), out.String()} {
				if strings.Contains(text, "hunter2") || strings.Contains(text, ":pw") {
					t.Errorf("the password is in %q", text)
				}
			}
		})
	}
}

// TestRightsThatAreNeeded are no more than the guide says: those to make tables for the first start, and to use them later.
func TestRightsThatAreNeeded(t *testing.T) {
	dsn := servertest.StartPostgres(t).Database(t)
	admin(t, dsn, "create role owner login password 'hunter2/@#'", "create schema owned authorization owner",
		"create role reader login password 'hunter2/@#'")
	open := func(role string) {
		t.Helper()
		c := settings(wrong(t, dsn, role, "", ""))
		c.Schema = "owned"
		s := openWith(t, c)
		defer closeStore(t, s)
		for call, err := range controltest.Calls(t.Context(), s) {
			if fault.Of(err) == fault.Internal && err != nil {
				t.Errorf("%s as %s: %v", call, role, err)
			}
		}
	}
	open("owner")
	admin(t, dsn, "grant usage on schema owned to reader", "grant select, insert, update, delete on all tables in schema owned to reader")
	open("reader")
}

// TestOpenOfASilentServer is what it is when packets are dropped: Open does not wait for ever.
func TestOpenOfASilentServer(t *testing.T) {
	proxy, dsn := proxied(t, servertest.Postgres(t))
	proxy.Hold()
	s, err := Open(t.Context(), settings(with(t, dsn, "connect_timeout", "1")), slog.New(slog.DiscardHandler))
	if s != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context deadline exceeded", err)
	}
	proxy.Release()
}

// TestChangesOutlastACrash has a database whose commits do not wait for the disk by default.
func TestChangesOutlastACrash(t *testing.T) {
	const batches = 200
	server := servertest.StartPostgres(t)
	dsn := server.Database(t)
	admin(t, dsn, ofDatabase("synchronous_commit = off"))
	var out bytes.Buffer
	s, err := Open(t.Context(), settings(dsn), slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range batches {
		must(t, s.Batches().Shipped(t.Context(), control.Batch{ID: fmt.Sprint(i)}))
	}
	server.Crash(t)
	server.Start(t)
	closeStore(t, s)
	again := openWith(t, settings(dsn))
	defer closeStore(t, again)
	for i := range batches {
		find(t, again, fmt.Sprint(i))
	}
	if !strings.Contains(out.String(), "synchronous_commit is off") {
		t.Errorf("got no warning: %s", &out)
	}
}

// TestConnectionSettings holds what is set for each connection, and what the DSN may set otherwise.
func TestConnectionSettings(t *testing.T) {
	dsn := servertest.Postgres(t)
	admin(t, dsn, ofDatabase("default_transaction_isolation = 'serializable'"))
	for _, tt := range []struct{ name, value, setting, want string }{
		{"connect_timeout", "9", "statement_timeout", "30s"},
		{"connect_timeout", "9", "application_name", "scratchdata"},
		{"connect_timeout", "9", "transaction_isolation", "read committed"},
		{"statement_timeout", "5000", "statement_timeout", "5s"},
		{"application_name", "node 1", "application_name", "node 1"},
	} {
		s := openWith(t, settings(with(t, dsn, tt.name, tt.value)))
		var got string
		if err := s.pool.QueryRow(t.Context(), "select current_setting($1)", tt.setting).Scan(&got); err != nil || got != tt.want {
			t.Errorf("%s with %s=%s: got %q and %v, want %q", tt.setting, tt.name, tt.value, got, err, tt.want)
		}
		closeStore(t, s)
	}
}

func TestMaxOpenConns(t *testing.T) {
	c := settings(with(t, servertest.Postgres(t), "pool_max_conns", "7"))
	c.MaxOpenConns = 2
	s := openWith(t, c)
	defer closeStore(t, s)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.Batches().Attempt(t.Context(), control.Batch{ID: "a"}); err != nil {
				t.Errorf("attempt: %v", err)
			}
		})
	}
	wg.Wait()
	if got := s.pool.Stat(); got.MaxConns() != 2 || got.TotalConns() > 2 {
		t.Errorf("got %d of %d connections, want up to 2", got.TotalConns(), got.MaxConns())
	}
}

// TestExecModes are those that poolers between us and the server ask for.
func TestExecModes(t *testing.T) {
	dsn := servertest.Postgres(t)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec"} {
		s := openWith(t, settings(with(t, dsn, "default_query_exec_mode", mode)))
		bury(t, s, mode, "a\x00b")
		if got := find(t, s, mode); got.Reason != "a\x00b" || got.Attempts != 1 {
			t.Errorf("%s: got %+v", mode, got)
		}
		if version, err := s.Queries().Save(t.Context(), control.NamedQuery{Name: mode, Params: []byte("{}")}, true); err != nil || version != 1 {
			t.Errorf("%s: save: got version %d and %v, want 1", mode, version, err)
		}
		closeStore(t, s)
	}
}

func TestConfig(t *testing.T) {
	const good = "postgres://u:p@h:5432/d"
	long := strings.Repeat("a", maxSchema)
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"a URL", Config{good, "", 1}, ""},
		{"words", Config{"host=h user=u password='it\\'s' dbname=d", "s", 10}, ""},
		{"a long schema", Config{good, long, 10}, ""},
		{"nothing", Config{}, "dsn: must not be empty"},
		{"a schema that is too long", Config{good, long + "a", 10}, "schema: "},
		{"a schema of the system", Config{good, "pg_mine", 10}, "schema: "},
		{"no connections", Config{good, "", 0}, "max_open_conns: 0 is less than 1"},
		{"an unknown sslmode", Config{good + "?sslmode=always", "", 1}, "dsn: failed to configure TLS"},
		{"a bad time", Config{good + "?connect_timeout=soon", "", 1}, "dsn: invalid connect_timeout"},
		{"a mode that changes texts", Config{good + "?default_query_exec_mode=simple_protocol", "", 1}, "dsn: default_query_exec_mode"},
		{"another such mode", Config{good + "?default_query_exec_mode=exec", "", 1}, "dsn: default_query_exec_mode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.c.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if c := DefaultConfig(); c.MaxOpenConns != 10 || c.Schema != "" || c.DSN != "" {
		t.Errorf("defaults: got %+v", c)
	}
}

// TestMistakesKeepThePassword has passwords as people write them into a DSN.
func TestMistakesKeepThePassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:hunter2/more@h:5432/d", "postgres://u:hunter2#more@h/d", "postgres://u:hunter2?more@h/d", "postgres://u:more@hunter2@h/d",
		"postgres://u:hunter2%zzmore@h/d", "postgres://u:hunter2@h:port/d", "postgres://u:[hunter2@h/d", "postgres://u:hunter2 more@h/d",
		"postgres//u:hunter2@h/d", "u:hunter2@h/d", "hunter2", "host=h password=more hunter2 user=u", "host=h password='hunter2",
		"host=h password=hunter2 port=a", "host=h port=hunter2", "postgres://u@h/d?password=hunter2&sslmode=no", "postgres://u@h/d?hunter2",
		"postgres://u:hunter2@h/d?connect_timeout=a", "mysql://u:hunter2@h/d", "postgres://u:hunter2@h/d?default_query_exec_mode=no",
		"postgres://u:hunter2@h/d?pool_max_conns=a", "postgres://u:hunter2@h/d?sslrootcert=/missing&sslmode=verify-full",
	} {
		c := settings(dsn)
		err := c.Validate()
		if err == nil { // it can be read after all: then what is said of it when nobody is there must not tell either
			c.DSN = secret.String(dsn + "&connect_timeout=1")
			_, err = Open(t.Context(), c, slog.New(slog.DiscardHandler))
		}
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "more@") {
			t.Errorf("%s: got %v, want an error without the password", dsn, err)
		}
	}
}
