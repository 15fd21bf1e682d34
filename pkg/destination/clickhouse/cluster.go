package clickhouse

import (
	"context"
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// onCluster ends the name of what is made everywhere.
func (d *Destination) onCluster() string {
	if d.cfg.Cluster == "" {
		return ""
	}
	return " ON CLUSTER " + quote(d.cfg.Cluster)
}

// checkCluster sees that the server knows the cluster. A macro, as in {cluster}, is the server's to replace.
func (d *Destination) checkCluster(ctx context.Context) error {
	if d.cfg.Cluster == "" || strings.Contains(d.cfg.Cluster, "{") {
		return nil
	}
	rows, err := d.admin.rows(ctx, "SELECT '' FROM system.clusters WHERE cluster = {cluster:String} LIMIT 1", param{"cluster", escapeParam(d.cfg.Cluster)})
	if err == nil && len(rows) == 0 {
		err = fault.New(fault.Invalid, "unknown_cluster", "cluster: the server knows no cluster %s", d.cfg.Cluster)
	}
	return err
}

// definePatience is how long a statement ON CLUSTER waits for the other hosts. Those that are dead or slow do it when they can.
const definePatience = 5 * time.Second

// define runs a statement that makes something. On a cluster it does not wait for long for hosts that are down: they catch up by
// themselves. It is done when there says so, of the host that was asked.
func (d *Destination) define(ctx context.Context, sql string, there func(context.Context) (bool, error)) error {
	if d.cfg.Cluster == "" {
		return d.admin.do(ctx, request{sql: sql})
	}
	ctx = pinned(ctx)
	err := d.admin.do(ctx, request{sql: sql, settings: d.knows.knownOr(d.defineSettings())})
	if codeOf(err) != codeTimeout {
		return err
	}
	found, lerr := there(ctx)
	if lerr != nil {
		return lerr
	}
	if !found {
		return fault.New(fault.Busy, "destination_busy", "the cluster is busy with other changes").Because(err).Retry(busyAfter)
	}
	d.log.WarnContext(ctx, "not all hosts of the cluster have changed a table or database yet: the others will when they can", "cluster", d.cfg.Cluster, "err", err)
	return nil
}

// defineSettings has all replicas that are alive know of a change when it is done: rows may come to any of them then.
func (d *Destination) defineSettings() []setting {
	return []setting{
		{"distributed_ddl_task_timeout", strconv.Itoa(int(definePatience.Seconds()))},
		{"distributed_ddl_output_mode", "none"},
		{"alter_sync", "2"},
		{"replication_alter_partitions_sync", "2"}, // its name until 2022
		{"replication_wait_for_inactive_replica_timeout", "0"},
	}
}

// knownOr is known, or the whole list before it is known what the server knows.
func (k knowledge) knownOr(list []setting) []setting {
	if k.settings == nil {
		return list[:2] // which all servers know
	}
	return k.known(list...)
}

// localPrefix begins the names of the tables that a Distributed one is over.
const localPrefix = ownPrefix + "local_"

// local names the table that has the rows: table itself, or what is behind it on each host.
func (d *Destination) local(table schema.Table) (database, name string) {
	if d.cfg.Distributed {
		return d.databaseOf(table), localPrefix + table.Name()
	}
	return d.databaseOf(table), table.Name()
}

// createDistributed is the SQL that makes table over its local ones. A row's place depends on the row alone, so that a batch that comes
// again has the same rows for each shard.
func (d *Destination) createDistributed(table schema.Table) string {
	database, local := d.local(table)
	return "CREATE TABLE IF NOT EXISTS " + d.path(table) + d.onCluster() + " AS " + quote(database) + "." + quote(local) + " ENGINE = Distributed(" +
		literal(d.cfg.Cluster) + ", " + literal(database) + ", " + literal(local) + ", cityHash64(" + quote(schema.RowID) + "))"
}

var (
	distributedOver = regexp.MustCompile(`^Distributed\('((?:[^'\\]|\\.)*)', '((?:[^'\\]|\\.)*)', '((?:[^'\\]|\\.)*)'(?:, (.*))?\)`)
	unescape        = strings.NewReplacer(`\\`, `\`, `\'`, `'`)
	// chance is what makes a row's place another one when it comes again.
	chance = regexp.MustCompile(`(?i)\b(rand\w*|generate\w+|now\w*|today|yesterday|rowNumberIn\w+|runningDifference|blockNumber|uptime|getMacro|hostName|shardNum)\(`)
)

// overShards is a Distributed table.
type overShards struct {
	cluster, database, table string
	key                      string // the SQL of a row's place; empty: there is none
}

func parseDistributed(engine string) (o overShards, ok bool) {
	found := distributedOver.FindStringSubmatch(engine)
	if found == nil {
		return o, false
	}
	return overShards{unescape.Replace(found[1]), unescape.Replace(found[2]), unescape.Replace(found[3]), found[4]}, true
}

// steady reports whether a row that comes again goes to the same shard.
func (o overShards) steady() bool { return o.key != "" && !chance.MatchString(o.key) }

// describeDistributed finds out how rows go into a Distributed table. If the shards know the blocks that they have had, and a row always
// goes to the same, it is as good as its local tables. Else all rows of a batch go to one shard, so that all of them come or none.
func (d *Destination) describeDistributed(ctx context.Context, t *described) error {
	if t.over.steady() {
		engine, _, err := d.lookAt(ctx, t.over.database, t.over.table)
		if err != nil {
			return err
		}
		if t.knowing = d.remembers(engine); t.knowing {
			return nil
		}
	}
	rows, err := d.admin.rows(ctx, "SELECT toString(max(shard_num)) FROM system.clusters WHERE cluster = {cluster:String}", param{"cluster", escapeParam(t.over.cluster)})
	if err != nil {
		return err
	}
	t.shards, err = strconv.Atoi(rows[0][0])
	return err
}

// shardOf gives the shard, from 1 on, that a batch goes to as a whole.
func shardOf(batch string, shards int) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(batch)) // never fails
	return strconv.Itoa(1 + int(h.Sum32()%uint32(max(shards, 1))))
}

// adopt makes a table that this host lacks and another host of the cluster has, as it is there: the host was away when it was made, or
// could not make it when it came back as others had added columns since. It reports whether it did.
func (d *Destination) adopt(ctx context.Context, database, table string) (bool, error) {
	const columns = "position(create_table_query, '(`')" // where they begin
	rows, err := d.admin.rows(ctx, "SELECT toString(uuid), substring(create_table_query, "+columns+") FROM clusterAllReplicas("+literal(d.cfg.Cluster)+", system.tables) "+
		"WHERE database = {database:String} AND name = {table:String} AND "+columns+" > 0 LIMIT 1 SETTINGS skip_unavailable_shards = 1",
		param{"database", escapeParam(database)}, param{"table", escapeParam(table)})
	if codeOf(err) == codeAccessDenied { // to ask other hosts is a right of its own
		return false, nil
	}
	if err != nil || len(rows) == 0 {
		return false, err
	}
	err = d.admin.do(ctx, request{sql: "CREATE TABLE IF NOT EXISTS " + quote(database) + "." + quote(table) + " " + withID(rows[0][1], rows[0][0])})
	if err == nil {
		d.log.WarnContext(ctx, "a host of the cluster had not got a table: it is made now as another host has it", "database", database, "table", table)
	}
	return err == nil, err
}

// replicaPath finds where in the keeper a table's replicas are, in the SQL that makes it.
var replicaPath = regexp.MustCompile(`\) ENGINE = Replicated\w*MergeTree\('(?:[^'\\]|\\.)*'`)

// withID puts the id of a table on another host into its path in the keeper, where {uuid} would be that of the table that is made here. To
// make it with the same id does not do: servers before 2024 take {uuid} with ON CLUSTER alone.
func withID(sql, id string) string {
	at := replicaPath.FindStringIndex(sql)
	if at == nil {
		return sql
	}
	return sql[:at[0]] + strings.ReplaceAll(sql[at[0]:at[1]], "{uuid}", id) + sql[at[1]:]
}

// replicated reports whether an engine's rows are the same on all replicas.
func replicated(engine string) bool {
	return strings.HasPrefix(engine, "Replicated") || strings.HasPrefix(engine, "Shared")
}

// checkPlace refuses a table that only one of several hosts has: a batch may come to another one.
func (d *Destination) checkPlace(table schema.Table, t described) error {
	if len(d.cfg.Hosts) == 1 || !d.servers.several() || t.over != nil || replicated(t.engine) {
		return nil
	}
	return fault.New(fault.Unprocessable, "table_not_replicated", "the table %s (%s) is not replicated, and there are several hosts: each would have rows of its own", table, t.engine)
}

// sync waits until the host has of a replicated table what the others have. A replica that is dead and has something that no other one has
// keeps it waiting, up to the end of its patience.
func (d *Destination) sync(ctx context.Context, path string) error {
	const patience = "10" // seconds
	err := d.admin.do(ctx, request{sql: "SYSTEM SYNC REPLICA " + path, settings: []setting{{"receive_timeout", patience}}})
	if codeOf(err) == codeTimeout {
		return fault.New(fault.Busy, "destination_busy", "the replica has not caught up with the others").Because(err).Retry(busyAfter)
	}
	return err
}

// caughtUp waits a little until a replica that lacks columns of a batch knows all changes of its table that there were: one that was away
// may not have heard of them yet, and would have values rescued that have a column.
func (d *Destination) caughtUp(ctx context.Context, table schema.Table, t described) error {
	database, name := d.databaseOf(table), table.Name()
	if t.over != nil {
		database, name = t.over.database, t.over.table
	}
	const sql = "SELECT toString(log_pointer), toString(log_max_index), toString((SELECT count() FROM system.replication_queue " +
		"WHERE database = {database:String} AND table = {table:String} AND type = 'ALTER_METADATA')) FROM system.replicas WHERE database = {database:String} AND table = {table:String}"
	of := []param{{"database", escapeParam(database)}, {"table", escapeParam(name)}}
	end := time.Now().Add(definePatience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	aim := int64(-1)
	for {
		rows, err := d.admin.rows(ctx, sql, of...)
		if err != nil || len(rows) == 0 {
			return err
		}
		at, err := strconv.ParseInt(rows[0][0], 10, 64)
		if err != nil {
			return fmt.Errorf("read where the replica is: %w", err)
		}
		if aim < 0 {
			if aim, err = strconv.ParseInt(rows[0][1], 10, 64); err != nil {
				return fmt.Errorf("read where the replicas are: %w", err)
			}
		}
		switch {
		case at == 0 && aim == 0: // no change is known, of none or of one
			return d.sync(ctx, quote(database)+"."+quote(name))
		case at > aim && rows[0][2] == "0":
			return nil
		}
		if time.Now().After(end) {
			return fault.New(fault.Busy, "destination_busy", "the replica has not caught up with the others").Retry(busyAfter)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
