package pgcommit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// connect gives a connection that began with the parameters, and was told to wait.
func connect(t *testing.T, dsn string, params map[string]string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range params {
		cfg.RuntimeParams[name] = value
	}
	cfg.AfterConnect = Wait
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil { // the test's own context has ended
			t.Error(err)
		}
	})
	return c
}

func TestWait(t *testing.T) {
	dsn := servertest.Postgres(t)
	for _, tt := range []struct {
		value, want string
		warned      bool
	}{
		{"off", "on", true}, {"false", "on", true}, {"on", "on", false}, {"local", "local", false},
		{"remote_write", "remote_write", false}, {"remote_apply", "remote_apply", false},
	} {
		t.Run(tt.value, func(t *testing.T) {
			c := connect(t, dsn, map[string]string{"synchronous_commit": tt.value})
			var got, source string
			err := c.QueryRow(t.Context(), "select setting, source from pg_settings where name = 'synchronous_commit'").Scan(&got, &source)
			if err != nil || got != tt.want || source != "session" {
				t.Errorf("got %s of the %s and %v, want %s of the session", got, source, err, tt.want)
			}
			var out bytes.Buffer
			if err := Warn(t.Context(), c, slog.New(slog.NewTextHandler(&out, nil))); err != nil {
				t.Error(err)
			}
			if got := strings.Contains(out.String(), "synchronous_commit is off"); got != tt.warned {
				t.Errorf("got a warning %t, want %t: %s", got, tt.warned, &out)
			}
		})
	}
}

// What a connection cannot be told ends it.
func TestWaitFails(t *testing.T) {
	dsn := servertest.Postgres(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := servertest.NewProxy(t, u.Host)
	u.Host = p.Addr()
	met := p.CutBefore("set_config")
	cfg, err := pgx.ParseConfig(u.String())
	if err != nil {
		t.Fatal(err)
	}
	cfg.AfterConnect = Wait
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	if err == nil {
		t.Fatal(errors.Join(errors.New("got a connection, want an error"), c.Close(t.Context())))
	}
	<-met
	if !strings.Contains(err.Error(), "let commits wait for the disk") {
		t.Errorf("got %v, want that commits do not wait", err)
	}
}
