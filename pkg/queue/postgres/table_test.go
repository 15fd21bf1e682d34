package postgres

import (
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// checkPlan holds that a message is found by the index alone, however many there are, and before the table was analyzed too.
func checkPlan(t *testing.T, dsn string) {
	q := newQueue(t, config(dsn))
	exec(t, dsn, `insert into scratchdata_queue (body, visible_at)
		select '\x00', now() - n * interval '1 millisecond' from generate_series(1, 1000000) n`)
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			exec(t, dsn, "analyze scratchdata_queue")
		}
		for _, tt := range []struct{ name, now string }{
			{"all visible", "now()"},
			{"half visible", "now() - interval '500 seconds'"},
			{"all hidden", "now() - interval '2000 seconds'"},
		} {
			for name, sql := range map[string]string{"take": q.sql.take, "next": q.sql.next} {
				plan := explain(t, dsn, strings.ReplaceAll(sql, "now()", tt.now))
				if !strings.Contains(plan, "using scratchdata_queue_visible_at_idx") || strings.Contains(plan, "Seq Scan") ||
					strings.Contains(plan, "Sort") || strings.Contains(plan, "Bitmap") {
					t.Errorf("%s, analyzed: %v, %s: got the plan\n%s\nwant index scans alone", tt.name, analyzed, name, plan)
				}
			}
		}
	}
	start := time.Now()
	for range 100 {
		m, err := receiveBy(t.Context(), q, long, soon)
		if err != nil {
			t.Fatal(err)
		}
		remove(t, q, m)
	}
	t.Logf("a receive and a delete take %v", time.Since(start)/100)
}

// explain gives the plan of a statement.
func explain(t *testing.T, dsn, sql string) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context()) //nolint:errcheck // the plan tells enough
	sql = strings.NewReplacer("$1", "1", "$2", "gen_random_uuid()").Replace(sql)
	rows, err := c.Query(t.Context(), "explain (analyze, timing off) "+sql)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func checkOpenErrors(t *testing.T, dsn string) {
	exec(t, dsn, `create table other (id int);
		create role reader_of_`+database(t, dsn)+` login password 'hidden';
		grant usage, create on schema public to reader_of_`+database(t, dsn))
	t.Cleanup(func() {
		exec(t, dsn, "drop owned by reader_of_"+database(t, dsn)+"; drop role reader_of_"+database(t, dsn))
	})
	newQueue(t, config(dsn))
	changed := func(change func(u *url.URL)) string {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	for _, tt := range []struct{ name, dsn, table, want string }{
		{"a wrong password", changed(func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "hidden") }), "q", "password authentication failed"},
		{"no such database", changed(func(u *url.URL) { u.Path = "/none" }), "q", "does not exist"},
		{"nobody listens", changed(func(u *url.URL) { u.Host = "127.0.0.1:1" }), "q", "connection refused"},
		{"no such schema", dsn, "none.q", `schema "none" does not exist`},
		{"a table that is none", dsn, "other", "is not a queue"},
		{"another's table", changed(func(u *url.URL) { u.User = url.UserPassword("reader_of_"+database(t, dsn), "hidden") }),
			"scratchdata_queue", "grant select"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := Open(t.Context(), Config{DSN: secret.String(tt.dsn), Table: tt.table}, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal(errors.Join(errors.New("got no error"), q.Close()))
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func database(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

func TestConfig(t *testing.T) {
	with := func(change func(*Config)) Config {
		c := config("postgres://u:hidden@host/db")
		change(&c)
		return c
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		want string // how the mistake begins; empty for none
	}{
		{"the default table", with(func(*Config) {}), ""},
		{"words instead of a URL", with(func(c *Config) { c.DSN = "host=h user=u password=hidden" }), ""},
		{"a schema", with(func(c *Config) { c.Table = "a.b" }), ""},
		{"no DSN", DefaultConfig(), "dsn: must not be empty"},
		{"no DSN at all", with(func(c *Config) { c.DSN = "postgres://u:hidden@host:port/db" }), "dsn: is not like"},
		{"no table", with(func(c *Config) { c.Table = "" }), "table: "},
		{"three parts", with(func(c *Config) { c.Table = "a.b.c" }), "table: "},
		{"no schema", with(func(c *Config) { c.Table = ".b" }), "table: "},
		{"a quote", with(func(c *Config) { c.Table = `a"b` }), "table: "},
		{"more than a name", with(func(c *Config) { c.Table = "a; drop table b" }), "table: "},
		{"too long", with(func(c *Config) { c.Table = strings.Repeat("q", 64) }), "table: "},
		{"all at once", Config{}, "dsn: must not be empty: postgres://user:password@host:5432/database\ntable: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v, which shows the password", err)
			}
		})
	}
}
