package servertest

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestPostgresGivesEmptyDatabases(t *testing.T) {
	s := FindPostgres(t)
	for range 2 {
		ask(t, s.Database(t), "create table here (n int); insert into here values (1); select n from here")
	}
}

func TestPostgresComesBack(t *testing.T) {
	s := StartPostgres(t)
	dsn := s.Database(t)
	ask(t, dsn, "create table here (n int); insert into here values (1); select n from here")
	for name, end := range map[string]func(testing.TB){"stopped": s.Stop, "crashed": s.Crash} {
		end(t)
		if _, err := pgx.Connect(t.Context(), dsn); err == nil {
			t.Errorf("%s: it answers", name)
		}
		s.Start(t)
		ask(t, dsn, "select n from here")
	}
}

// ask runs sql, whose last statement gives the number 1.
func ask(t *testing.T, dsn, sql string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	results, err := c.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if rows := results[len(results)-1].Rows; len(rows) != 1 || string(rows[0][0]) != "1" {
		t.Errorf("got %q, want one row with 1", rows)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
