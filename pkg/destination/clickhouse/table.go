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
	if d.cfg.ReplicaPath == "" {
		return "ReplicatedMergeTree"
	}
	return "ReplicatedMergeTree(" + literal(d.cfg.ReplicaPath) + ", " + literal(d.cfg.ReplicaName) + ")"
}

// createTable is the SQL that makes a table with the row id column alone.
func (d *Destination) createTable(table schema.Table) string {
	settings := "non_replicated_deduplication_window = " + remembered
	if d.cfg.Cluster != "" {
		settings = "replicated_deduplication_window = " + remembered + ", replicated_deduplication_window_seconds = " + rememberedFor
	}
	if d.cfg.StoragePolicy != "" {
		settings += ", storage_policy = " + literal(d.cfg.StoragePolicy)
	}
	return "CREATE TABLE IF NOT EXISTS " + d.path(table) + d.onCluster() + " (" + quote(schema.RowID) + " String) ENGINE = " + d.engine() +
		" ORDER BY " + quote(schema.RowID) + " SETTINGS " + settings
}

// CreateTable makes an empty table with the row id column alone, and its database when that is missing.
func (d *Destination) CreateTable(ctx context.Context, table schema.Table) error {
	return d.change(ctx, "create table", table, func() error {
		if table.Qualifier() != "" {
			if err := d.makeDatabase(ctx, table.Qualifier()); err != nil {
				return err
			}
		}
		return d.admin.do(ctx, request{sql: d.createTable(table)})
	})
}

// addColumns is the SQL that adds columns.
func (d *Destination) addColumns(table schema.Table, cols []schema.Column) string {
	adds := make([]string, len(cols))
	for i, c := range cols {
		adds[i] = "ADD COLUMN IF NOT EXISTS " + quote(columnName(c.Name)) + " " + d.typeFor(c)
	}
	return "ALTER TABLE " + d.path(table) + d.onCluster() + " " + strings.Join(adds, ", ")
}

// AddColumns adds cols in one statement; one that exists already is left as it is.
func (d *Destination) AddColumns(ctx context.Context, table schema.Table, cols []schema.Column) error {
	if len(cols) == 0 {
		return nil
	}
	return d.change(ctx, "add columns to", table, func() error {
		if _, err := d.describe(ctx, table); err != nil {
			return err
		}
		return d.admin.do(ctx, request{sql: d.addColumns(table, cols)})
	})
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
	cols    []schema.Column
	knowing bool // it takes no block twice that has the same token
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
	of := []param{{"database", escapeParam(d.databaseOf(table))}, {"table", escapeParam(table.Name())}}
	rows, err := d.admin.rows(ctx, "SELECT if(engine_full = '', engine, engine_full), '', '', '' FROM system.tables WHERE database = {database:String} AND name = {table:String}"+
		" UNION ALL SELECT * FROM (SELECT '', name, type, if(type = 'Date32' AND default_expression = '\\'1970-01-01\\'', '', default_kind) FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY position)", of...)
	if err != nil {
		return "", nil, err
	}
	found := false
	for _, row := range rows {
		if row[1] == "" {
			engine, found = row[0], true
			continue
		}
		cols = append(cols, d.reach.column(row[1], row[2], row[3]))
	}
	if !found {
		return "", nil, unknownTable(table)
	}
	return engine, cols, nil
}

// describe is look for a table that rows are to go into.
func (d *Destination) describe(ctx context.Context, table schema.Table) (t described, err error) {
	engine, cols, err := d.look(ctx, table)
	if err != nil {
		return t, err
	}
	name, _, _ := strings.Cut(engine, "(")
	name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
	if strings.HasSuffix(name, "View") {
		return t, fault.New(fault.Invalid, "table_is_view", "%s is a view: rows can be stored in tables only", table)
	}
	return described{cols, d.knows(name, engine)}, nil
}

var windows = regexp.MustCompile(`\b(non_)?replicated_deduplication_window = (\d+)`)

// knows reports whether a table with that engine takes no block twice.
func (d *Destination) knows(name, engine string) bool {
	if !strings.HasSuffix(name, "MergeTree") {
		return false
	}
	replicated := strings.HasPrefix(name, "Replicated") || strings.HasPrefix(name, "Shared")
	for _, found := range windows.FindAllStringSubmatch(engine, -1) {
		if (found[1] == "") == replicated {
			return found[2] != "0"
		}
	}
	return replicated || d.defaultOn
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
