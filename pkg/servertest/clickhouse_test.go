package servertest

import "testing"

func TestClickHouseHasADatabaseOfItsOwn(t *testing.T) {
	s := ClickHouse(t)
	other := s.Fresh(t)
	s.Exec(t, "CREATE TABLE n (n Int64) ENGINE = Memory")
	if got := s.Exec(t, "SELECT count() FROM system.tables WHERE database = currentDatabase()"); got != "1" {
		t.Errorf("got %s tables, want 1", got)
	}
	if got := other.Exec(t, "SELECT count() FROM system.tables WHERE database = currentDatabase()"); got != "0" {
		t.Errorf("got %s tables in a fresh database, want none", got)
	}
}
