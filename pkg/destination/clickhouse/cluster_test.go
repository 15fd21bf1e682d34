package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// clusterConfig is the settings for a cluster, whose nodes are asked in the order of hosts.
func clusterConfig(c *servertest.ClickHouseCluster, hosts ...int) Config {
	cfg := configOf(c.Nodes[0].ClickHouseServer)
	cfg.Hosts, cfg.Protocol, cfg.Choose, cfg.Cluster, cfg.Database = nil, overHTTP, first, servertest.ClickHouseClusterName, "events"
	for _, i := range hosts {
		cfg.Hosts = append(cfg.Hosts, fmt.Sprintf("127.0.0.1:%d", c.Nodes[i].Relay))
	}
	return cfg
}

// nativeConfig is clusterConfig for the native protocol, for tables that there are: what is said ON CLUSTER needs a relay.
func nativeConfig(c *servertest.ClickHouseCluster, hosts ...int) Config {
	cfg := clusterConfig(c)
	cfg.Protocol = native
	for _, i := range hosts {
		cfg.Hosts = append(cfg.Hosts, fmt.Sprintf("127.0.0.1:%d", c.Nodes[i].TCP))
	}
	return cfg
}

// inSync has node i catch up with the others, and gives what it says.
func inSync(t *testing.T, c *servertest.ClickHouseCluster, i int, table, sql string) string {
	t.Helper()
	c.Nodes[i].Exec(t, "SYSTEM SYNC REPLICA "+table)
	return c.Nodes[i].Exec(t, sql)
}

// loadUntilDone loads b as the workers do, who try again whatever the failure, and gives the last failure if that takes too long.
func loadUntilDone(ctx context.Context, d *Destination, table schema.Table, b destination.Batch) (destination.Loaded, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var last error
	for {
		did, err := d.Load(ctx, table, b)
		switch {
		case err == nil:
			return did, nil
		case ctx.Err() != nil:
			return did, errors.Join(err, last)
		}
		last = err
	}
}

// numbered makes a batch of rows whose n go from first on.
func numbered(first, rows int) destination.Batch {
	list := make([]string, rows)
	for i := range list {
		list[i] = fmt.Sprintf(`{"n":%d,"s":"row %d"}`, first+i, first+i)
	}
	return destinationtest.Batch(newIDs(), list...)
}

// TestReplicas is on a cluster of two replicas with a keeper.
func TestReplicas(t *testing.T) {
	c := servertest.ClickHouseReplicas(t)
	d := openWith(t, clusterConfig(c, 0, 1))
	table := tableOf(t, "events")
	makeEvents(t, d, table)
	t.Run("every change is made on all nodes", func(t *testing.T) {
		said := strings.Join(c.OnCluster(), "\n")
		for _, want := range []string{"CREATE DATABASE IF NOT EXISTS `events`", "CREATE TABLE IF NOT EXISTS `events`.`events` (`__row_id` String) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}') ORDER BY `__row_id` SETTINGS replicated_deduplication_window = 10000",
			"ALTER TABLE `events`.`events` ADD COLUMN IF NOT EXISTS `n` Int64, ADD COLUMN IF NOT EXISTS `s` String"} {
			if !strings.Contains(said, want) {
				t.Errorf("got %s\nwant %s", said, want)
			}
		}
		for _, n := range c.Nodes {
			if got := n.Exec(t, "SELECT arrayStringConcat(groupArray(name || ' ' || type), ', ') FROM system.columns WHERE database = 'events' AND table = 'events'"); got != "__row_id String, n Int64, s String" {
				t.Errorf("got %s", got)
			}
		}
	})
	t.Run("what one node takes the other gives", func(t *testing.T) {
		if did, err := d.Load(t.Context(), table, numbered(0, 1000)); err != nil || did.Rows != 1000 {
			t.Fatalf("got %+v, %v, want 1000 rows", did, err)
		}
		if got := inSync(t, c, 1, "events.events", "SELECT count(), uniqExact(n) FROM events.events"); got != "1000\t1000" {
			t.Errorf("got %s on the other node, want 1000 rows", got)
		}
	})
	t.Run("a batch that comes again to the other node is there once", func(t *testing.T) {
		other, b := openWith(t, clusterConfig(c, 1)), numbered(1000, 1000)
		if _, err := d.Load(t.Context(), table, b); err != nil {
			t.Fatal(err)
		}
		c.Nodes[0].Exec(t, "TRUNCATE TABLE events."+ledgerTable)
		if did, err := other.Load(t.Context(), table, b); err != nil || did.Rows != 1000 {
			t.Errorf("got %+v, %v, want 1000 rows", did, err)
		}
		if got := inSync(t, c, 1, "events.events", "SELECT count(), uniqExact(n) FROM events.events"); got != "2000\t2000" {
			t.Errorf("got %s, want 2000 rows", got)
		}
	})
	t.Run("tables that forget", func(t *testing.T) { replicasThatForget(t, c, d) })
	t.Run("tables of one node", func(t *testing.T) {
		c.Nodes[0].Exec(t, "CREATE TABLE events.alone (__row_id String, n Int64) ENGINE = MergeTree ORDER BY n")
		if _, err := d.Load(t.Context(), tableOf(t, "alone"), numbered(0, 1)); fault.CodeOf(err) != "table_not_replicated" {
			t.Errorf("got %v, want that the table is refused", err)
		}
	})
	t.Run("a quorum", func(t *testing.T) { quorum(t, c) })
	for name, loader := range map[string]*Destination{overHTTP: d, native: openWith(t, nativeConfig(c, 0, 1))} {
		t.Run("a node is lost under load, "+name, func(t *testing.T) {
			table := tableOf(t, "many_"+name)
			makeEvents(t, d, table)
			lostUnderLoad(t, c, loader, table)
		})
	}
	t.Run("a change without one node", func(t *testing.T) { changeWithout(t, c) })
}

func makeEvents(t *testing.T, d *Destination, table schema.Table) {
	t.Helper()
	if err := d.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	if err := d.AddColumns(t.Context(), table, []schema.Column{{Name: "n", Kind: schema.Int}, {Name: "s", Kind: schema.Text}}); err != nil {
		t.Fatal(err)
	}
}

// replicasThatForget: without a memory of blocks it is the ledger that counts, which the other node asks for before it believes it.
func replicasThatForget(t *testing.T, c *servertest.ClickHouseCluster, d *Destination) {
	for _, n := range c.Nodes {
		n.Exec(t, "CREATE TABLE events.forgetful (__row_id String, n Int64, s String) ENGINE = ReplicatedMergeTree('/forgetful', '{replica}') ORDER BY n SETTINGS replicated_deduplication_window = 0")
	}
	table, b := tableOf(t, "forgetful"), numbered(0, 100)
	mustExec(t, d, "ALTER TABLE "+ledgerTable+" ADD CONSTRAINT full CHECK state != 'loaded'")
	if did, err := d.Load(t.Context(), table, b); err == nil {
		t.Fatalf("got %+v, want that the ledger is not written", did)
	}
	mustExec(t, d, "ALTER TABLE "+ledgerTable+" DROP CONSTRAINT full")
	other := openWith(t, clusterConfig(c, 1))
	for range 2 {
		if did, err := other.Load(t.Context(), table, b); err != nil || did.Rows != 100 {
			t.Errorf("got %+v, %v, want 100 rows", did, err)
		}
	}
	for i := range c.Nodes {
		if got := inSync(t, c, i, "events.forgetful", "SELECT count(), uniqExact(n) FROM events.forgetful"); got != "100\t100" {
			t.Errorf("got %s on node %d, want 100 rows once", got, i)
		}
	}
}

// quorum: a batch that not enough replicas have is not loaded yet, and is there once when they have.
func quorum(t *testing.T, c *servertest.ClickHouseCluster) {
	cfg := clusterConfig(c, 0, 1)
	cfg.InsertQuorum = 2
	d, table := openWith(t, cfg), tableOf(t, "both")
	makeEvents(t, d, table)
	if _, err := d.Load(t.Context(), table, numbered(0, 10)); err != nil {
		t.Fatal(err)
	}
	if got := c.Nodes[1].Exec(t, "SELECT count() FROM events.both"); got != "10" {
		t.Errorf("got %s rows on the other node, want 10 at once", got)
	}
	c.Nodes[1].Kill(t)
	b := numbered(10, 10)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if did, err := d.Load(ctx, table, b); err == nil {
		t.Errorf("got %+v, want an error with one replica of two", did)
	}
	c.Nodes[1].Start(t)
	if did, err := loadUntilDone(t.Context(), d, table, b); err != nil || did.Rows != 10 {
		t.Errorf("got %+v, %v, want 10 rows", did, err)
	}
	if got := c.Nodes[1].Exec(t, "SELECT count(), uniqExact(n) FROM events.both"); got != "20\t20" {
		t.Errorf("got %s, want 20 rows", got)
	}
}

// lostUnderLoad: node 1 dies while batches come, and comes back. Nothing is lost or doubled.
func lostUnderLoad(t *testing.T, c *servertest.ClickHouseCluster, d *Destination, table schema.Table) {
	const batches, rows, loaders = 60, 500, 3
	var done atomic.Int32
	var loads sync.WaitGroup
	next := make(chan int)
	for range loaders {
		loads.Go(func() {
			for i := range next {
				if did, err := loadUntilDone(t.Context(), d, table, numbered(i*rows, rows)); err != nil || did.Rows != rows {
					t.Errorf("batch %d: got %+v, %v, want %d rows", i, did, err, rows)
				}
				done.Add(1)
			}
		})
	}
	for i := range batches {
		if next <- i; i == batches/3 {
			c.Nodes[0].Kill(t)
		}
	}
	close(next)
	loads.Wait()
	c.Nodes[0].Start(t)
	for i := range c.Nodes {
		want := fmt.Sprintf("%d\t%d\t%d", batches*rows, batches*rows, batches*rows-1)
		if got := inSync(t, c, i, "events."+table.Name(), "SELECT count(), uniqExact(n), max(n) FROM events."+table.Name()); got != want {
			t.Errorf("node %d has %s, want %s", i, got, want)
		}
	}
}

// changeWithout: tables and columns are made while one node is down, which has them when it is back.
func changeWithout(t *testing.T, c *servertest.ClickHouseCluster) {
	c.Nodes[1].Kill(t)
	var log strings.Builder
	opened, err := Open(t.Context(), clusterConfig(c, 1, 0), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	d, table := opened.(*Destination), tableOf(t, "late")
	makeEvents(t, d, table)
	if did, err := d.Load(t.Context(), table, numbered(0, 10)); err != nil || did.Rows != 10 {
		t.Errorf("got %+v, %v, want 10 rows", did, err)
	}
	if err := d.Close(); err != nil || !strings.Contains(log.String(), "not all hosts of the cluster") {
		t.Errorf("got %v and the log %s, want that it tells of hosts that are late", err, &log)
	}
	c.Nodes[1].Start(t)
	other := openWith(t, clusterConfig(c, 1))
	if did, err := loadUntilDone(t.Context(), other, table, numbered(10, 10)); err != nil || did.Rows != 10 || did.Rescued != 0 {
		t.Errorf("got %+v, %v, want 10 rows and no value rescued", did, err)
	}
	if got := inSync(t, c, 1, "events.late", "SELECT count(), sum(n) FROM events.late"); got != "20\t190" {
		t.Errorf("got %s, want 20 rows", got)
	}
}

// TestReplicaPathWithAnID: a host that lacks a table becomes a replica of the others, also where the table's id is in its path.
func TestReplicaPathWithAnID(t *testing.T) {
	c := servertest.ClickHouseReplicas(t)
	opened := func(host int) *Destination {
		cfg := clusterConfig(c, host)
		cfg.ReplicaPath, cfg.ReplicaName = "/clickhouse/{uuid}/{shard}", "{replica}"
		return openWith(t, cfg)
	}
	d, table := opened(0), tableOf(t, "events")
	c.Nodes[1].Kill(t)
	makeEvents(t, d, table)
	c.Nodes[1].Start(t) // it cannot make a table that has got columns since
	if got := c.Nodes[1].Exec(t, "SELECT count() FROM system.tables WHERE database = 'events' AND name = 'events'"); got != "0" {
		t.Fatalf("got %s tables on the host that was away, want none", got)
	}
	for i, host := range []int{0, 1, 0} {
		if did, err := loadUntilDone(t.Context(), opened(host), table, numbered(i*10, 10)); err != nil || did.Rows != 10 {
			t.Errorf("host %d: got %+v, %v, want 10 rows", host, did, err)
		}
	}
	byHand := tableOf(t, "hand")
	c.Nodes[0].Exec(t, "CREATE TABLE events.hand UUID '6c1c8a53-3ff8-4a7c-9b15-0d4c1f7a9e01' (__row_id String, n Int64, s String) ENGINE = ReplicatedMergeTree('/hand/{uuid}', '{replica}') ORDER BY n")
	if did, err := loadUntilDone(t.Context(), openWith(t, clusterConfig(c, 1)), byHand, numbered(0, 10)); err != nil || did.Rows != 10 {
		t.Errorf("a table made by hand: got %+v, %v, want 10 rows", did, err)
	}
	if got := inSync(t, c, 0, "events.hand", "SELECT count(), sum(n) FROM events.hand"); got != "10\t45" {
		t.Errorf("a table made by hand: got %s on the other node, want 10 rows", got)
	}
	for i, n := range c.Nodes {
		if got := inSync(t, c, i, "events.events", "SELECT count(), sum(n) FROM events.events"); got != "30\t435" {
			t.Errorf("got %s on node %d, want 30 rows", got, i)
		}
		if got := inSync(t, c, i, "events."+ledgerTable, "SELECT uniqExact(batch_id) FROM events."+ledgerTable); got != "4" {
			t.Errorf("got %s batches on node %d, want 4", got, i)
		}
		if got, want := n.Exec(t, "SELECT zookeeper_path FROM system.replicas ORDER BY table"), c.Nodes[0].Exec(t, "SELECT zookeeper_path FROM system.replicas ORDER BY table"); got != want {
			t.Errorf("node %d has its tables at %s, want %s", i, got, want)
		}
	}
}

func TestWithID(t *testing.T) {
	for sql, want := range map[string]string{
		"(`n` Int64) ENGINE = ReplicatedMergeTree('/t/{uuid}/{shard}', '{replica}') ORDER BY n":                 "(`n` Int64) ENGINE = ReplicatedMergeTree('/t/ID/{shard}', '{replica}') ORDER BY n",
		"(`n` Int64) ENGINE = ReplicatedReplacingMergeTree('/t\\'/{uuid}', '{replica}', n)":                     "(`n` Int64) ENGINE = ReplicatedReplacingMergeTree('/t\\'/ID', '{replica}', n)",
		"(`s` String DEFAULT '{uuid}') ENGINE = ReplicatedMergeTree('/t/{uuid}', '{replica}') COMMENT '{uuid}'": "(`s` String DEFAULT '{uuid}') ENGINE = ReplicatedMergeTree('/t/ID', '{replica}') COMMENT '{uuid}'",
		"(`n` Int64) ENGINE = ReplicatedMergeTree('/t/{shard}', '{replica}')":                                   "(`n` Int64) ENGINE = ReplicatedMergeTree('/t/{shard}', '{replica}')",
		"(`n` Int64) ENGINE = Distributed('it', 'd', 't', cityHash64('{uuid}'))":                                "(`n` Int64) ENGINE = Distributed('it', 'd', 't', cityHash64('{uuid}'))",
	} {
		if got := withID(sql, "ID"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestReplicatedTablesKeepThePromises: all of the port's, as plain ones do.
func TestReplicatedTablesKeepThePromises(t *testing.T) {
	c := servertest.ClickHouseReplicas(t)
	open := func(t *testing.T, change func(*Config)) destination.Destination {
		cfg := clusterConfig(c, 0)
		cfg.Database = "test_" + strings.ToLower(newIDs().Batch())
		change(&cfg)
		t.Cleanup(func() {
			for _, n := range c.Nodes {
				n.Exec(t, "DROP DATABASE IF EXISTS "+cfg.Database)
			}
		})
		return openWith(t, cfg)
	}
	d := dialect()
	d.OpenStringTypes = func(t *testing.T) destination.Destination {
		return open(t, func(c *Config) { c.StringTypes = true })
	}
	destinationtest.Run(t, func(t *testing.T) destination.Destination { return open(t, func(*Config) {}) }, d)
}

// TestReplicaLosesItsKeeper: a node that can be reached and cannot work is passed over.
func TestReplicaLosesItsKeeper(t *testing.T) {
	for _, code := range []int{codeNoZooKeeper, codeTableReadOnly, codeKeeper} {
		if err := newServerError(code, "x"); !cannotWork(err) || lostConnection(err) {
			t.Errorf("%d: want that the server is known to be unable", code)
		}
	}
	c := servertest.ClickHouseReplicas(t)
	d, table := openWith(t, clusterConfig(c, 0, 1)), tableOf(t, "events")
	makeEvents(t, d, table)
	c.Nodes[0].Exec(t, "DETACH TABLE events.events SYNC")
	c.Nodes[1].Exec(t, "SYSTEM DROP REPLICA 'r1' FROM ZKPATH '/clickhouse/tables/1/events/events'")
	c.Nodes[0].Exec(t, "ATTACH TABLE events.events") // its place in the keeper is gone
	if got := c.Nodes[0].Exec(t, "SELECT is_readonly FROM system.replicas WHERE table = 'events'"); got != "1" {
		t.Fatalf("got %s, want a replica that only reads", got)
	}
	for i := range 3 {
		if did, err := loadUntilDone(t.Context(), d, table, numbered(i*10, 10)); err != nil || did.Rows != 10 {
			t.Errorf("got %+v, %v, want 10 rows", did, err)
		}
	}
	if got := c.Nodes[1].Exec(t, "SELECT count(), uniqExact(n) FROM events.events"); got != "30\t30" {
		t.Errorf("got %s, want 30 rows on the other node", got)
	}
}

// TestShardedTables: a table is over those of two shards where distributed is set, and a batch is in it once.
func TestShardedTables(t *testing.T) {
	c := servertest.ClickHouseShards(t)
	if _, err := Open(t.Context(), clusterConfig(c, 0, 1), slog.New(slog.DiscardHandler)); fault.CodeOf(err) != "different_shards" {
		t.Errorf("got %v, want that the hosts are of different shards", err)
	}
	cfg := clusterConfig(c, 0, 1)
	cfg.Distributed = true
	d, table := openWith(t, cfg), tableOf(t, "events")
	makeEvents(t, d, table)
	b := numbered(0, 10_000)
	for _, host := range []int{0, 1, 0} {
		cfg := clusterConfig(c, host)
		cfg.Distributed = true
		if did, err := openWith(t, cfg).Load(t.Context(), table, b); err != nil || did.Rows != 10_000 {
			t.Errorf("by node %d: got %+v, %v, want 10000 rows", host, did, err)
		}
		wantOnce(t, d, 10_000)
		c.Nodes[0].Exec(t, "SYSTEM SYNC REPLICA events."+ledgerTable)
		c.Nodes[0].Exec(t, "TRUNCATE TABLE events."+ledgerTable)
	}
	for i, n := range c.Nodes {
		if got, err := strconv.Atoi(n.Exec(t, "SELECT count() FROM events."+localPrefix+"events")); err != nil || got < 3000 || got > 7000 {
			t.Errorf("got %d rows, %v on shard %d, want about a half", got, err, i+1)
		}
	}
	if tables, err := d.Tables(t.Context()); err != nil || !slices.Equal(tables, []schema.Table{table}) {
		t.Errorf("got %v, %v, want the one table", tables, err)
	}
	t.Run("one shard is lost in the middle", func(t *testing.T) {
		b := numbered(10_000, 10_000)
		c.Nodes[1].Kill(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if did, err := d.Load(ctx, table, b); err == nil {
			t.Errorf("got %+v, want an error without a shard", did)
		}
		c.Nodes[1].Start(t)
		if did, err := loadUntilDone(t.Context(), d, table, b); err != nil || did.Rows != 10_000 {
			t.Errorf("got %+v, %v, want 10000 rows", did, err)
		}
		wantOnce(t, d, 20_000)
	})
	t.Run("rescued values", func(t *testing.T) {
		table := tableOf(t, "rescued")
		rescueInto(t, d, table, misfits(100)...)
		mustRestore(t, d, table, nil, destination.Restored{Rows: 100, Values: 100, Left: 100})
		wantAnswer(t, d, `SELECT count(), sum(m), countIf(position(__rescued, '"m"') > 0) FROM rescued`, "100|4950|0")
	})
	t.Run("rows whose place is chance", func(t *testing.T) { placedByChance(t, c, d) })
}

// placedByChance: where a row would go elsewhere when it comes again, the whole batch goes to one shard.
func placedByChance(t *testing.T, c *servertest.ClickHouseCluster, d *Destination) {
	for _, n := range c.Nodes {
		n.Exec(t, "CREATE TABLE events.rows (__row_id String, n Int64, s String) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100")
		n.Exec(t, "CREATE TABLE events.hand AS events.rows ENGINE = Distributed('it', 'events', 'rows', rand())")
	}
	table := tableOf(t, "hand")
	if err := d.AddColumns(t.Context(), table, []schema.Column{{Name: "extra", Kind: schema.Int}}); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		b := numbered(i*100, 100)
		for range 2 {
			if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != 100 {
				t.Errorf("got %+v, %v, want 100 rows", did, err)
			}
		}
	}
	wantAnswer(t, d, "SELECT count(), uniqExact(n), sum(extra) FROM hand", "600|600|0")
	for _, n := range c.Nodes {
		if got := n.Exec(t, "SELECT count() % 100 FROM events.rows"); got != "0" {
			t.Errorf("got %s rows over, want whole batches", got)
		}
	}
}

// TestOldClusterTakesOurSQL: a cluster that executes ON CLUSTER makes what we say on all of its hosts. The one that there is for that is
// of 2018: it has no IF NOT EXISTS for columns, and no setting to wait for its disk.
func TestOldClusterTakesOurSQL(t *testing.T) {
	nodes := servertest.ClickHouseOld(t)
	cfg := DefaultConfig()
	cfg.Cluster, cfg.Database = servertest.ClickHouseClusterName, "events"
	cfg.ReplicaPath, cfg.ReplicaName = "/clickhouse/tables/{shard}/events", "{replica}"
	d := &Destination{cfg: cfg}
	table := tableOf(t, "events")
	alter := d.addColumns(d.path(table), []schema.Column{{Name: "n", Kind: schema.Int}, {Name: "s", Kind: schema.Text}})
	for _, sql := range []string{"CREATE DATABASE IF NOT EXISTS " + quote(cfg.Database) + d.onCluster(), strings.Replace(d.createTable(table), ", "+synced, "", 1), strings.ReplaceAll(alter, "IF NOT EXISTS ", "")} {
		if !strings.Contains(sql, " ON CLUSTER `it`") {
			t.Errorf("%s is not said to the cluster", sql)
		}
		nodes[0].Exec(t, sql)
	}
	nodes[0].Exec(t, "INSERT INTO events.events VALUES ('a', 1, 'x')")
	nodes[1].Exec(t, "SYSTEM SYNC REPLICA events.events")
	if got := nodes[1].Exec(t, "SELECT * FROM events.events"); got != "a\t1\tx" {
		t.Errorf("got %q on the other node, want a 1 x", got)
	}
	for _, protocol := range []string{native, overHTTP} {
		cfg := configOf(nodes[0])
		cfg.Protocol = protocol
		if _, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "the server is ClickHouse 18.16.1, at least 22.8 is needed") {
			t.Errorf("%s: got %v, want that the server is too old", protocol, err)
		}
	}
}
