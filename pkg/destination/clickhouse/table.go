package clickhouse

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// remembered is how many blocks of rows a table that we make knows as had already.
const remembered = "10000"

// rememberedFor is for how many seconds a replicated one does.
const rememberedFor = "2592000"

// Where replicated tables are in the keeper. The server's own default has the table's id in it, which another host would make anew if
// it had missed the table: it would have rows of its own then.
const (
	defaultReplicaPath = "/clickhouse/tables/{shard}/{database}/{table}"
	defaultReplicaName = "{replica}"
)

// ownPrefix begins the names of tables that the driver makes for itself.
const ownPrefix = "__scratchdata_"

// checkTable refuses the tables that are ours.
func checkTable(t schema.Table) error {
	if strings.HasPrefix(t.Name(), ownPrefix) {
		return fault.New(fault.Denied, "reserved_table", "table %s: names that begin with %s are Scratch Data's own", t, ownPrefix)
	}
	return nil
}

// engine is the SQL of the engine of a table that we make.
func (d *Destination) engine() string {
	if d.cfg.Cluster == "" {
		return "MergeTree"
	}
	path, name := d.cfg.ReplicaPath, d.cfg.ReplicaName
	if path == "" {
		path, name = defaultReplicaPath, defaultReplicaName
	}
	return "ReplicatedMergeTree(" + literal(path) + ", " + literal(name) + ")"
}

// synced makes the server wait for its disk, as nothing else has a batch once it is loaded. By default a ClickHouse does not, and
// power loss can take the last half minute.
const synced = "fsync_after_insert = 1, fsync_part_directory = 1"

// createTable is the SQL that makes a table with the row id column alone.
func (d *Destination) createTable(table schema.Table) string {
	var settings []string
	switch {
	case d.cfg.Cluster != "":
		settings = []string{"replicated_deduplication_window = " + remembered, "replicated_deduplication_window_seconds = " + rememberedFor}
	case d.knows.window:
		settings = []string{"non_replicated_deduplication_window = " + remembered}
	}
	database, local := d.local(table)
	return "CREATE TABLE IF NOT EXISTS " + quote(database) + "." + quote(local) + d.onCluster() + " (" + quote(schema.RowID) + " String) ENGINE = " + d.engine() +
		" ORDER BY " + quote(schema.RowID) + d.tableSettings(settings...)
}

// tableSettings ends the SQL that makes a table.
func (d *Destination) tableSettings(list ...string) string {
	if d.cfg.StoragePolicy != "" {
		list = append(list, "storage_policy = "+literal(d.cfg.StoragePolicy))
	}
	list = append(list, synced)
	return " SETTINGS " + strings.Join(list, ", ")
}

// CreateTable makes an empty table with the row id column alone, and its database when that is missing.
func (d *Destination) CreateTable(ctx context.Context, table schema.Table) error {
	return d.change(ctx, "create table", table, func() error {
		if table.Qualifier() != "" {
			if err := d.makeDatabase(ctx, table.Qualifier()); err != nil {
				return err
			}
		}
		ctx := pinned(ctx)
		database, local := d.local(table)
		if err := d.make(ctx, database, local, d.createTable(table)); err != nil || !d.cfg.Distributed {
			return err
		}
		return d.make(ctx, database, table.Name(), d.createDistributed(table))
	})
}

// make makes a table that is not there, on a cluster as other hosts have it already.
func (d *Destination) make(ctx context.Context, database, table, sql string) error {
	there := d.hasTable(database, table)
	if d.cfg.Cluster != "" {
		if found, err := there(ctx); found || err != nil {
			return err
		}
		if found, err := d.adopt(ctx, database, table); found || err != nil {
			return err
		}
	}
	return d.define(ctx, sql, there)
}

// addColumns is the SQL that adds columns to the table at path.
func (d *Destination) addColumns(path string, cols []schema.Column) string {
	adds := make([]string, len(cols))
	for i, c := range cols {
		adds[i] = "ADD COLUMN IF NOT EXISTS " + quote(columnName(c.Name)) + " " + d.typeFor(c)
	}
	return "ALTER TABLE " + path + d.onCluster() + " " + strings.Join(adds, ", ")
}

// AddColumns adds cols in one statement, or two where a table is over others; one that exists already is left as it is.
func (d *Destination) AddColumns(ctx context.Context, table schema.Table, cols []schema.Column) error {
	if len(cols) == 0 {
		return nil
	}
	return d.change(ctx, "add columns to", table, func() error {
		t, err := d.describe(ctx, table)
		if err != nil {
			return err
		}
		if t.over != nil { // first there, so that rows which have the columns find them
			if d.cfg.Cluster == "" {
				return fault.New(fault.Unprocessable, "table_over_others", "the table %s is over others in the cluster %s: set cluster to have columns added there", table, t.over.cluster)
			}
			if err := d.addTo(ctx, t.over.database, t.over.table, cols); err != nil {
				return err
			}
		}
		return d.addTo(ctx, d.databaseOf(table), table.Name(), cols)
	})
}

func (d *Destination) addTo(ctx context.Context, database, table string, cols []schema.Column) error {
	return d.define(ctx, d.addColumns(quote(database)+"."+quote(table), cols), func(ctx context.Context) (bool, error) {
		_, have, err := d.lookAt(ctx, database, table)
		for _, c := range cols {
			if err == nil && !slices.ContainsFunc(have, func(h schema.Column) bool { return h.Name == columnName(c.Name) }) {
				return false, nil
			}
		}
		return err == nil, err
	})
}

// hasTable asks whether a table is there.
func (d *Destination) hasTable(database, table string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		rows, err := d.admin.rows(ctx, "SELECT '' FROM system.tables WHERE database = {database:String} AND name = {table:String}",
			param{"database", escapeParam(database)}, param{"table", escapeParam(table)})
		return len(rows) > 0, err
	}
}

// change runs do, which changes table, as a call.
func (d *Destination) change(ctx context.Context, what string, table schema.Table, do func() error) error {
	if err := checkTable(table); err != nil {
		return err
	}
	if err := d.call(do); err != nil {
		return fmt.Errorf("%s %s: %w", what, table, tableFault(ctx, table, err))
	}
	return nil
}

// tableFault is storeFault, and says when it is the table that the server does not find.
func tableFault(ctx context.Context, table schema.Table, err error) error {
	if c := codeOf(err); c == codeUnknownTable || c == codeUnknownDatabase {
		return unknownTable(table).Because(err)
	}
	return storeFault(ctx, err)
}

func unknownTable(table schema.Table) *fault.Error {
	return fault.New(fault.NotFound, "unknown_table", "there is no table %s", table)
}

// described is a table as the server has it.
type described struct {
	engine  string // its name alone
	cols    []schema.Column
	knowing bool        // it takes no block twice that has the same token
	over    *overShards // nil when it has its rows itself
	shards  int         // to one of which all rows of a batch go; 0: each to its own
}

// Columns lists table's columns in order, or fault.NotFound.
func (d *Destination) Columns(ctx context.Context, table schema.Table) (cols []schema.Column, err error) {
	err = d.call(func() error {
		_, cols, err = d.look(ctx, table)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the columns of %s: %w", table, tableFault(ctx, table, err))
	}
	return cols, nil
}

// look gives the SQL of table's engine, and its columns in order.
func (d *Destination) look(ctx context.Context, table schema.Table) (engine string, cols []schema.Column, err error) {
	engine, cols, err = d.lookAt(ctx, d.databaseOf(table), table.Name())
	if err == nil && engine == "" {
		err = unknownTable(table)
	}
	return engine, cols, err
}

// lookAt is look by a table's names; the engine is empty when there is no such table.
func (d *Destination) lookAt(ctx context.Context, database, table string) (engine string, cols []schema.Column, err error) {
	of := []param{{"database", escapeParam(database)}, {"table", escapeParam(table)}}
	rows, err := d.admin.rows(ctx, "SELECT if(engine_full = '', engine, engine_full), '', '', '' FROM system.tables WHERE database = {database:String} AND name = {table:String}"+
		" UNION ALL SELECT * FROM (SELECT '', name, type, if(type = 'Date32' AND default_expression = '\\'1970-01-01\\'', '', default_kind) FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY position)", of...)
	if err != nil {
		return "", nil, err
	}
	for _, row := range rows {
		if row[1] == "" {
			engine = row[0]
			continue
		}
		cols = append(cols, d.reach.column(row[1], row[2], row[3]))
	}
	return engine, cols, nil
}

// describe is look for a table that rows are to go into.
func (d *Destination) describe(ctx context.Context, table schema.Table) (t described, err error) {
	engine, cols, err := d.look(ctx, table)
	if err != nil {
		return t, err
	}
	t = described{engine: engineName(engine), cols: cols, knowing: d.remembers(engine)}
	if strings.HasSuffix(t.engine, "View") {
		return t, fault.New(fault.Invalid, "table_is_view", "%s is a view: rows can be stored in tables only", table)
	}
	if over, ok := parseDistributed(engine); ok {
		t.over = &over
		return t, d.describeDistributed(ctx, &t)
	}
	return t, nil
}

func engineName(engine string) string {
	name, _, _ := strings.Cut(engine, "(")
	name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
	return name
}

var windows = regexp.MustCompile(`\b(non_)?replicated_deduplication_window = (\d+)`)

// remembers reports whether a table with that engine takes no block twice.
func (d *Destination) remembers(engine string) bool {
	name := engineName(engine)
	if !strings.HasSuffix(name, "MergeTree") || !d.knows.tokens() {
		return false
	}
	for _, found := range windows.FindAllStringSubmatch(engine, -1) {
		if (found[1] == "") == replicated(name) {
			return found[2] != "0"
		}
	}
	return replicated(name) || d.knows.always
}

// Tables lists the users' tables, sorted. One whose name ParseTable does not take cannot be reached and is left out.
func (d *Destination) Tables(ctx context.Context) (tables []schema.Table, err error) {
	err = d.call(func() error {
		rows, err := d.admin.rows(ctx, "SELECT database, name FROM system.tables WHERE NOT is_temporary AND engine NOT LIKE '%View' "+
			"AND database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema', '_temporary_and_external_tables')")
		tables = d.tablesOf(rows)
		return storeFault(ctx, err)
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return tables, nil
}

func (d *Destination) tablesOf(rows [][]string) []schema.Table {
	var tables []schema.Table
	for _, row := range rows {
		name := row[0] + "." + row[1]
		if row[0] == d.cfg.Database {
			name = row[1]
		}
		t, err := schema.ParseTable(name)
		if err != nil || t.Name() != row[1] || checkTable(t) != nil {
			continue
		}
		tables = append(tables, t)
	}
	slices.SortFunc(tables, func(a, b schema.Table) int { return strings.Compare(a.String(), b.String()) })
	return tables
}
