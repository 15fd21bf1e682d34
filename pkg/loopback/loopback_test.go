package loopback

import (
	"net"
	"strconv"
	"testing"
)

func TestFreePortStaysFree(t *testing.T) {
	for range 100 {
		port, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if port < first || port > last {
			t.Fatalf("port %d: want one from %d to %d, which systems give to nobody by themselves", port, first, last)
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // nobody has connected to it
	}
}
