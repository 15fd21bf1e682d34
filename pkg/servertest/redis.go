package servertest

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Redis gives the URL of a Redis: with a number of its own for its database only when it was started here.
func Redis(t testing.TB) string {
	t.Helper()
	if url, ok := Given("REDIS"); ok {
		return url
	}
	return StartRedis(t).URL()
}

// RedisServer is a Redis of the test's own.
type RedisServer struct {
	port int
	dir  string
	args []string
	cmd  *exec.Cmd
	done <-chan struct{} // closed when it has ended
}

// StartRedis starts a server, which the test may stop and start again: it keeps on disk what it has answered. More of
// redis-server's own arguments may follow.
func StartRedis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	s := &RedisServer{port: FreePort(t), dir: t.TempDir(), args: args}
	s.Start(t)
	return s
}

// Start starts a server that was stopped, on the port that it had.
func (s *RedisServer) Start(t testing.TB) {
	t.Helper()
	args := append([]string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--requirepass", "pw", "--masterauth", "pw"}, s.args...)
	s.cmd = exec.Command(program(t, "redis-server"), args...)
	s.done = start(t, s.cmd, s.answers)
}

// Stop ends the server in order.
func (s *RedisServer) Stop() { s.end(syscall.SIGTERM) }

// Crash ends the server at once.
func (s *RedisServer) Crash() { s.end(syscall.SIGKILL) }

func (s *RedisServer) end(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig) // fails when it has ended
	<-s.done
}

// Addr is its host and port.
func (s *RedisServer) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// URL is how clients reach it.
func (s *RedisServer) URL() string { return "redis://:pw@" + s.Addr() + "/0" }

// answers tells whether the server answers a question: its port is open before it has read its files.
func (s *RedisServer) answers(ctx context.Context) error {
	out, err := s.cli(ctx, "ping")
	if err == nil && out != "PONG" {
		err = fmt.Errorf("it says %q", out)
	}
	return err
}

// cli runs a command of Redis by its own client.
func (s *RedisServer) cli(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "redis-cli", append([]string{"-p", strconv.Itoa(s.port), "-a", "pw", "--no-auth-warning"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("redis-cli %v: %w: %s", args, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// RedisCluster starts a cluster of two servers that share the slots, and gives the URL of one of them.
func RedisCluster(t testing.TB) string {
	t.Helper()
	var nodes [2]*RedisServer
	var bus string // of the node that was started last
	for i, slots := range [2][2]string{{"0", "8191"}, {"8192", "16383"}} {
		bus = strconv.Itoa(FreePort(t))
		nodes[i] = StartRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus)
		nodes[i].must(t, "cluster", "addslotsrange", slots[0], slots[1])
	}
	nodes[0].must(t, "cluster", "meet", "127.0.0.1", strconv.Itoa(nodes[1].port), bus)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, n := range nodes {
		n.joined(ctx, t)
	}
	return nodes[0].URL()
}

func (s *RedisServer) must(t testing.TB, args ...string) {
	t.Helper()
	if _, err := s.cli(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

// joined waits until the server knows that the cluster is whole.
func (s *RedisServer) joined(ctx context.Context, t testing.TB) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		info, err := s.cli(ctx, "cluster", "info")
		if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_size:2") {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the cluster is not whole: %v: %s", err, info)
		}
	}
}
