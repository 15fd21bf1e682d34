package servertest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// ClickHouseClusterName is what each of the servers of a cluster calls it.
const ClickHouseClusterName = "it"

// ClickHouseCluster is two ClickHouse servers with a ZooKeeper, as a cluster of one shard with two replicas or of two shards. They are
// real but for two things that the library they run on leaves out: each node's parts are given to the other one by this process
// (see parts), and ON CLUSTER by way of a node's Relay.
type ClickHouseCluster struct {
	Nodes [2]*ClickHouseNode
	t     testing.TB // with which the nodes end
	ddl   ddl
}

// ClickHouseNode is one server of a cluster.
type ClickHouseNode struct {
	ClickHouseServer
	Relay int // the port of HTTP where ON CLUSTER works

	cluster *ClickHouseCluster
	dir     string
	parts   int // the interserver port
	cmd     *exec.Cmd
	done    <-chan struct{}

	mu    sync.Mutex
	alive bool // guarded by mu
}

// ClickHouseReplicas starts a cluster of one shard.
func ClickHouseReplicas(t testing.TB) *ClickHouseCluster {
	t.Helper()
	return startCluster(t, false)
}

// ClickHouseShards starts a cluster of two shards with one replica each.
func ClickHouseShards(t testing.TB) *ClickHouseCluster {
	t.Helper()
	return startCluster(t, true)
}

func startCluster(t testing.TB, shards bool) *ClickHouseCluster {
	t.Helper()
	clickHouseLibrary(t)
	keeper := ZooKeeper(t)
	c := &ClickHouseCluster{t: t}
	for i := range c.Nodes {
		c.Nodes[i] = &ClickHouseNode{cluster: c, dir: t.TempDir(), parts: FreePort(t), ClickHouseServer: ClickHouseServer{Host: "127.0.0.1",
			TCP: FreePort(t), HTTP: FreePort(t), User: "app", Password: "secret", Reader: "reader", Strict: "strict", Database: "default"}}
	}
	for i, n := range c.Nodes {
		config := clusterConfig(keeper, c.Nodes[0].TCP, c.Nodes[1].TCP, i, shards)
		for name, text := range map[string]string{"config.xml": config, "users.xml": clickHouseUsers} {
			if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		serve(t, n.parts, n.whileAlive(parts{n.ClickHouseServer}))
		n.Relay = FreePort(t)
		serve(t, n.Relay, n.whileAlive(c.relay(n)))
		n.Start(t)
	}
	return c
}

// clusterConfig is the configuration of node i. The nodes of the library have all the same id, by which they would end each other's
// sessions with the keeper.
func clusterConfig(keeper, one, two, i int, shards bool) string {
	between, shard := "", 1
	if shards {
		between, shard = "</shard><shard><internal_replication>true</internal_replication>", i+1
	}
	replica := func(port int) string {
		return fmt.Sprintf("<replica><host>127.0.0.1</host><port>%d</port><user>app</user><password>secret</password></replica>", port)
	}
	return fmt.Sprintf(`<clickhouse>
  <logger><level>warning</level><console>1</console></logger>
  <users_config>users.xml</users_config>
  <zookeeper><node><host>127.0.0.1</host><port>%d</port></node><session_timeout_ms>8000</session_timeout_ms>
    <sessions_path>/sessions/r%d</sessions_path></zookeeper>
  <macros><shard>%d</shard><replica>r%d</replica></macros>
  <background_schedule_pool_size>16</background_schedule_pool_size>
  <remote_servers><%s><shard><internal_replication>true</internal_replication>%s%s%s</shard></%[5]s></remote_servers>
</clickhouse>`, keeper, i+1, shard, i+1, ClickHouseClusterName, replica(one), between, replica(two))
}

// Start starts a node that was killed, on the ports that it had, and has it do what was said ON CLUSTER meanwhile.
func (n *ClickHouseNode) Start(t testing.TB) {
	t.Helper()
	n.cmd = exec.Command(program(t, "chserve"), clickHouseLibrary(t), filepath.Join(n.dir, "data"), strconv.Itoa(n.TCP), strconv.Itoa(n.HTTP),
		"--interserver-port="+strconv.Itoa(n.parts), "--config-file=config.xml")
	n.cmd.Dir = n.dir
	n.done = start(n.cluster.t, n.cmd, func(ctx context.Context) error { return n.exec(ctx, "SELECT 1") })
	n.cluster.ddl.mu.Lock()
	defer n.cluster.ddl.mu.Unlock()
	n.set(true)
	_ = n.cluster.ddl.catchUp(t.Context(), n) // what a server that is late cannot do it leaves
}

// Kill ends the node as a crash of its machine would, but for its disk.
func (n *ClickHouseNode) Kill(t testing.TB) {
	t.Helper()
	n.set(false)
	signal(n.cmd, true)
	<-n.done
}

func (n *ClickHouseNode) set(alive bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.alive = alive
}

func (n *ClickHouseNode) isAlive() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.alive
}

// whileAlive cuts the connections of who asks a node that is not alive.
func (n *ClickHouseNode) whileAlive(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.isAlive() {
			panic(http.ErrAbortHandler)
		}
		h.ServeHTTP(w, r)
	})
}

// serve runs a server of HTTP until the test ends.
func serve(t testing.TB, port int, h http.Handler) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h} //nolint:gosec // only tests talk to it
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l) // ends when it is closed
	}()
	t.Cleanup(func() {
		_ = s.Close() // what is open is not wanted any more
		<-ended
	})
}
