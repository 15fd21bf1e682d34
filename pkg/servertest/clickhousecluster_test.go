package servertest

import (
	"strings"
	"testing"
)

// create is a table of the cluster's.
const create = "CREATE TABLE t ON CLUSTER it (n Int64, s String) ENGINE = ReplicatedMergeTree('/tables/{shard}/t', '{replica}') ORDER BY n"

// on runs a statement by way of a node's relay.
func (n *ClickHouseNode) on(t *testing.T, sql string) string {
	t.Helper()
	by := n.ClickHouseServer
	by.HTTP = n.Relay
	return by.Exec(t, sql)
}

// TestClickHouseReplicas: what one node takes, the other one has, also after a crash.
func TestClickHouseReplicas(t *testing.T) {
	c := ClickHouseReplicas(t)
	one, two := c.Nodes[0], c.Nodes[1]
	one.on(t, create)
	if said := c.OnCluster(); len(said) != 1 || strings.Contains(said[0], "CLUSTER") {
		t.Errorf("got %q, want the one statement without ON CLUSTER", said)
	}
	one.Exec(t, "INSERT INTO t SELECT number, repeat('x', number % 100) FROM numbers(10000)")
	two.Exec(t, "SYSTEM SYNC REPLICA t")
	const sum = "SELECT count(), sum(n), sum(length(s)) FROM t"
	if got, want := two.Exec(t, sum), one.Exec(t, sum); got != want {
		t.Errorf("got %s on the other node, want %s", got, want)
	}
	one.Kill(t)
	two.Exec(t, "INSERT INTO t VALUES (-1, '')")
	one.Start(t)
	one.Exec(t, "SYSTEM SYNC REPLICA t")
	if got, want := one.Exec(t, sum), two.Exec(t, sum); got != want || !strings.HasPrefix(got, "10001\t") {
		t.Errorf("got %s on the node that was dead, want %s", got, want)
	}
}

// TestClickHouseOldIsACluster: the old servers do what is said ON CLUSTER, and replicate.
func TestClickHouseOldIsACluster(t *testing.T) {
	nodes := ClickHouseOld(t)
	nodes[0].Exec(t, create)
	nodes[0].Exec(t, "INSERT INTO t VALUES (1, 'a')")
	nodes[1].Exec(t, "SYSTEM SYNC REPLICA t")
	if got := nodes[1].Exec(t, "SELECT n, s FROM t"); got != "1\ta" {
		t.Errorf("got %q, want 1 a", got)
	}
}
