package servertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/rabbitmq/amqp091-go"
)

// rabbitScripts is where Debian has the programs that do not change their user.
const rabbitScripts = "/usr/lib/rabbitmq/bin"

// RabbitMQServer is a RabbitMQ that answers.
type RabbitMQServer struct {
	url  string
	env  []string // of its programs; empty when it was not started here
	dir  string   // its data
	cmd  *exec.Cmd
	done <-chan struct{} // closed when it has ended
}

// RabbitMQ gives the URL of a RabbitMQ, which other tests may use too: give queues names of their own.
func RabbitMQ(t testing.TB) string {
	t.Helper()
	if url, ok := Given("RABBITMQ"); ok {
		return url
	}
	return StartRabbitMQ(t).URL()
}

// StartRabbitMQ starts a server, which the test may stop and start again.
func StartRabbitMQ(t testing.TB) *RabbitMQServer {
	t.Helper()
	program(t, filepath.Join(rabbitScripts, "rabbitmq-server"))
	// Not t.TempDir: its parent is closed to the user that the server runs as.
	dir, err := os.MkdirTemp("", "rabbitmq")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	port, names := FreePort(t), FreePort(t)
	s := &RabbitMQServer{dir: dir, url: fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", port), env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8",
		"RABBITMQ_NODENAME=test@localhost", "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", "RABBITMQ_NODE_PORT=" + strconv.Itoa(port),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(FreePort(t)), "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT=" + strconv.Itoa(names),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "data"), "RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"),
		"RABBITMQ_PID_FILE=" + filepath.Join(dir, "pid"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "plugins"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq"), "RABBITMQ_CONF_ENV_FILE=" + filepath.Join(dir, "none"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}}
	// The server would start the keeper of node names itself, and leave it behind.
	epmd := s.command(t, program(t, "epmd"), "-port", strconv.Itoa(names), "-address", "127.0.0.1")
	start(t, epmd, listens(names))
	s.Start(t)
	return s
}

// command is one of the server's programs, as its user and with its folder.
func (s *RabbitMQServer) command(t testing.TB, path string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir = s.env, s.dir
	as(t, cmd, "rabbitmq", s.dir)
	return cmd
}

// URL is where the server answers.
func (s *RabbitMQServer) URL() string { return s.url }

// Start starts a server that was stopped, on the port that it had.
func (s *RabbitMQServer) Start(t testing.TB) {
	t.Helper()
	s.cmd = s.command(t, filepath.Join(rabbitScripts, "rabbitmq-server"))
	s.done = start(t, s.cmd, func(context.Context) error {
		c, err := amqp091.Dial(s.url)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// Stop ends the server in order.
func (s *RabbitMQServer) Stop(t testing.TB) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.done
}

// Crash kills the server.
func (s *RabbitMQServer) Crash(t testing.TB) {
	t.Helper()
	signal(s.cmd, true)
	<-s.done
}

// Control runs rabbitmqctl with args.
func (s *RabbitMQServer) Control(t testing.TB, args ...string) {
	t.Helper()
	if err := run(t.Context(), s.command(t, filepath.Join(rabbitScripts, "rabbitmqctl"), args...)); err != nil {
		t.Fatal(err)
	}
}
