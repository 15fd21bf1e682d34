package servertest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
)

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

// TestClickHouseOutlivesResets: clients that die reset their connections, of which servers hear between two queries.
func TestClickHouseOutlivesResets(t *testing.T) {
	s := ClickHouse(t)
	for range 10 {
		c, err := net.Dial("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.TCP)))
		if err != nil {
			t.Fatal(err)
		}
		hello := []byte{0} // the client's hello: name, version, revision, database, user, password
		hello = binary.AppendUvarint(append(hello, "\x04test\x01\x00"...), 54058)
		for _, text := range []string{"default", s.User, s.Password} {
			hello = append(binary.AppendUvarint(hello, uint64(len(text))), text...)
		}
		if _, err := c.Write(hello); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(hello[:1]); err != nil || n != 1 || hello[0] != 0 {
			t.Fatalf("got %d, %v, want the server's hello", hello[0], err)
		}
		if err := c.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Exec(t, "SELECT 1"); got != "1" {
		t.Errorf("got %q, want 1", got)
	}
}

// TestClickHouseOutlivesCuts: so they do in the middle of an INSERT over HTTP, after any byte of its chunks.
func TestClickHouseOutlivesCuts(t *testing.T) {
	s := ClickHouse(t)
	s.Exec(t, "CREATE TABLE cut (n Int64) ENGINE = MergeTree ORDER BY n")
	head := fmt.Sprintf("POST /?user=%s&password=%s&database=%s&query=INSERT+INTO+cut+FORMAT+CSV HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", s.User, s.Password, s.Database)
	const chunks = "2\r\n1\n\r\n2\r\n2\n\r\n"
	for end := range len(chunks) + 1 {
		for _, linger := range []int{0, 1} {
			c, err := net.Dial("tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.HTTP)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte(head + chunks[:end])); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.(*net.TCPConn).SetLinger(linger), c.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := s.Exec(t, "SELECT count() FROM cut"); got != "0" {
		t.Errorf("got %s rows, want none", got)
	}
}

func TestClickHouseSeems(t *testing.T) {
	s := ClickHouse(t)
	other := ClickHouseSeems(t, s, "SELECT version()", "SELECT '22.8.1.1'")
	if got := other.Exec(t, "SELECT version()"); got != "22.8.1.1" {
		t.Errorf("got %s, want the version of another", got)
	}
	if got := other.Exec(t, "SELECT 2"); got != "2" {
		t.Errorf("got %s, want what was asked", got)
	}
}
