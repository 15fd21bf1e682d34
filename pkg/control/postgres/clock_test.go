package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// behind gives the DSN of a database whose clock is three days behind this machine's: it finds functions of the test's own
// before those that tell the time.
func behind(t *testing.T) string {
	t.Helper()
	dsn := servertest.Postgres(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`create schema behind`,
		`create function behind.now() returns timestamptz stable language sql as 'select pg_catalog.now() - interval ''72 hours'''`,
		`create function behind.clock_timestamp() returns timestamptz language sql as
			'select pg_catalog.clock_timestamp() - interval ''72 hours'''`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sep := "?"
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	return dsn + sep + "search_path=behind,pg_catalog"
}

// The time is the database's, whatever this machine's clock says, and batches are settled by it.
func TestTimeIsTheDatabases(t *testing.T) {
	s := openWith(t, settings(behind(t)))
	defer closeStore(t, s)
	before := time.Now().Add(-72 * time.Hour).Add(-time.Minute) // the server may be another machine
	for id, o := range map[string]control.Outcome{"loaded": {State: control.StateLoaded}, "dead": {State: control.StateDead}} {
		if err := s.Batches().Shipped(t.Context(), control.Batch{ID: id}); err != nil {
			t.Fatal(err)
		}
		if err := s.Batches().Settle(t.Context(), id, o); err != nil {
			t.Fatal(err)
		}
	}
	now, err := s.Keys().Now(t.Context())
	after := before.Add(time.Hour)
	if settled := find(t, s, "dead").Settled; err != nil || now.Before(before) || now.After(after) || settled.After(now) || settled.Before(before) {
		t.Errorf("it is %v, %v, and a batch was settled at %v, want both after %v", now, err, settled, before)
	}
	if err := s.Prune(t.Context(), now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	find(t, s, "loaded")
}
