package servertest

import (
	"fmt"
	"os/exec"
	"strconv"
	"testing"
)

// Redis gives the URL of a Redis: with a number of its own for its database only when it was started here.
func Redis(t testing.TB) string {
	t.Helper()
	if url, ok := Given("REDIS"); ok {
		return url
	}
	port := freePort(t)
	cmd := exec.Command(program(t, "redis-server"), "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", t.TempDir(),
		"--save", "", "--appendonly", "no", "--requirepass", "pw")
	start(t, cmd, listens(port))
	return fmt.Sprintf("redis://:pw@127.0.0.1:%d/0", port)
}
