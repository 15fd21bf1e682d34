package clickhouse

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// asked opens a destination whose queries are a user's of their own.
func asked(t *testing.T, server servertest.ClickHouseServer, cfg Config, user string) *Destination {
	t.Helper()
	if user == "" {
		servertest.Missing(t, "the server has no users of the test")
	}
	cfg.QueryUsername, cfg.QueryPassword = user, secret.String(server.Password)
	return openWith(t, cfg)
}

// withWho makes a table of which each row says who has inserted it, and loads a row.
func withWho(t *testing.T, d *Destination) {
	t.Helper()
	table := tableOf(t, "events")
	if err := d.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	if err := d.AddColumns(t.Context(), table, []schema.Column{{Name: "n", Kind: schema.Int}}); err != nil {
		t.Fatal(err)
	}
	mustExec(t, d, "ALTER TABLE events ADD COLUMN who String DEFAULT currentUser()")
	if _, err := d.Load(t.Context(), table, destinationtest.Batch(rowid.NewSource(), `{"n":1}`)); err != nil {
		t.Fatal(err)
	}
}

// TestWhoAsksAndWhoLoads: queries are those of the query user when there is one; tables, columns and loads never are.
func TestWhoAsksAndWhoLoads(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		d := asked(t, server, cfg, server.Reader)
		withWho(t, d)
		wantAnswer(t, d, "SELECT currentUser(), who, n FROM events", server.Reader+"|"+server.User+"|1")
		wantAnswer(t, openWith(t, cfg), "SELECT currentUser(), who FROM events", server.User+"|"+server.User)
	})
}

// TestQueryUserHasItsOwnGrants: what the user of the queries was not granted is refused, though the one who loads has it.
func TestQueryUserHasItsOwnGrants(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		d := asked(t, server, cfg, server.Limited)
		withWho(t, d)
		wantAnswer(t, d, "SELECT currentUser(), number FROM system.numbers LIMIT 1", server.Limited+"|0")
		for _, sql := range []string{"SELECT n FROM events", "SELECT count() FROM events", "SELECT number, (SELECT max(n) FROM events) FROM system.numbers LIMIT 1"} {
			var out destinationtest.Rows
			if err := d.Query(t.Context(), sql, nil, &out); !errors.Is(err, fault.Denied) || out.Began {
				t.Errorf("%s: got %q, %v, want fault.Denied", sql, out.Rows, err)
			}
		}
	})
}

// TestLimits: what passes the limits of the query user's profile is told so; the server knows when nobody waits any more.
func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		d := asked(t, server, cfg, server.Limited)
		for sql, word := range map[string]string{
			"SELECT number FROM system.numbers LIMIT 5000":                                         "result",
			"SELECT length(groupArray(number)) FROM (SELECT * FROM system.numbers LIMIT 30000000)": "memory",
		} {
			var out destinationtest.Rows
			if err := d.Query(t.Context(), sql, nil, &out); !errors.Is(err, fault.Unprocessable) || !strings.Contains(strings.ToLower(fault.TextOf(err)), word) || out.Ended {
				t.Errorf("%s: got %d rows, end %v, %v, want fault.Unprocessable that says %s", sql, len(out.Rows), out.Ended, err, word)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		var out destinationtest.Rows
		err := openWith(t, cfg).Query(ctx, "SELECT toUInt8(getSetting('max_execution_time')) BETWEEN 60 AND 91, toUInt8(getSetting('readonly'))", nil, &out)
		if got := strings.Join(out.Rows, " "); err != nil || got != "1|1" {
			t.Errorf("got %s, %v, want that the server knows the time that is left, and that it only reads", got, err)
		}
	})
}

// TestMaxMemoryUsage: a query has the memory that the settings give it, and a user who may change no settings is told so at once.
func TestMaxMemoryUsage(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		cfg.MaxMemoryUsage = 20_000_000
		for who, d := range map[string]*Destination{"the same user": openWith(t, cfg), "a reader": asked(t, server, cfg, server.Reader)} {
			var out destinationtest.Rows
			err := d.Query(t.Context(), "SELECT length(groupArray(number)) FROM numbers(30000000)", nil, &out)
			if !errors.Is(err, fault.Unprocessable) || codeText(err) != "out_of_memory" {
				t.Errorf("%s: got %q, %v, want out_of_memory", who, out.Rows, err)
			}
			wantAnswer(t, d, "SELECT toUInt64(getSetting('max_memory_usage'))", "20000000")
		}
		cfg.QueryUsername, cfg.QueryPassword = server.Strict, secret.String(server.Password)
		d, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = d.Close()
		}
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "max_memory_usage") {
			t.Errorf("who may change no settings: got %v, want fault.Invalid that names max_memory_usage", err)
		}
	})
}
