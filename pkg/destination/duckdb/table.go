package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// mainSchema is where tables without a qualifier are.
const mainSchema = "main"

func schemaOf(t schema.Table) string {
	if t.Qualifier() == "" {
		return mainSchema
	}
	return t.Qualifier()
}

// path is t's full name. With two parts the engine would take a qualifier that is also the database's name for that.
func (e *engine) path(t schema.Table) string {
	return quote(e.catalog) + "." + quote(schemaOf(t)) + "." + quote(t.Name())
}

// checkTable refuses the schema that is ours.
func checkTable(t schema.Table) error {
	if fold(schemaOf(t)) == ownSchema {
		return fault.New(fault.Denied, "reserved_schema", "table %s: the schema %s is Scratch Data's own", t, ownSchema)
	}
	return nil
}

// CreateTable makes an empty table with the row id column alone, and its schema when that is missing.
func (d *Destination) CreateTable(ctx context.Context, table schema.Table) error {
	return d.change(ctx, "create table", table, func(e *engine, w *conn) error {
		if table.Qualifier() != "" {
			if err := w.exec("CREATE SCHEMA IF NOT EXISTS " + quote(e.catalog) + "." + quote(table.Qualifier())); err != nil {
				return err
			}
		}
		return w.exec("CREATE TABLE IF NOT EXISTS " + e.path(table) + " (" + quote(schema.RowID) + " VARCHAR)")
	})
}

// columnsAtOnce is how many columns one transaction adds. Each makes a new description of the whole table, and the old
// ones stay in memory until it ends: 2,000 at once took a gigabyte.
const columnsAtOnce = 50

// AddColumns adds cols; one that exists already is left as it is.
func (d *Destination) AddColumns(ctx context.Context, table schema.Table, cols []schema.Column) error {
	const what = "add columns to"
	var made bool
	err := d.change(ctx, what, table, func(e *engine, w *conn) (err error) {
		made, err = e.makeAnew(w, table, cols)
		return err
	})
	if made || err != nil {
		return err
	}
	for part := range slices.Chunk(cols, columnsAtOnce) {
		if err := d.change(ctx, what, table, func(e *engine, w *conn) error { return e.addColumns(w, table, part) }); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) addColumns(w *conn, table schema.Table, cols []schema.Column) error {
	for _, c := range cols {
		if err := w.exec("ALTER TABLE " + e.path(table) + " ADD COLUMN IF NOT EXISTS " + e.define(c)); err != nil {
			return err
		}
	}
	return nil
}

// rowIDOnly is how a table is described that CreateTable has made and nobody has changed.
var rowIDOnly = []column{{Column: kindOf(schema.Column{Name: schema.RowID, Type: "VARCHAR"})}}

// makeAnew makes an empty table that has the row id column alone again, with cols, and reports whether it did. All at once
// is much less work for the engine than one column after the other. One with an index or a constraint is a person's.
func (e *engine) makeAnew(w *conn, table schema.Table, cols []schema.Column) (bool, error) {
	described, err := e.describe(w, table)
	if err != nil || !slices.Equal(described, rowIDOnly) {
		return false, err
	}
	of := " WHERE database_name = " + literal(e.catalog) + " AND lower(schema_name) = " + literal(fold(schemaOf(table))) +
		" AND lower(table_name) = " + literal(fold(table.Name()))
	rows, err := w.rows("(SELECT '' FROM " + e.path(table) + " LIMIT 1) UNION ALL SELECT '' FROM duckdb_constraints()" + of +
		" UNION ALL SELECT '' FROM duckdb_indexes()" + of)
	if err != nil || len(rows) > 0 {
		return false, err
	}
	defs, known := []string{quote(schema.RowID) + " VARCHAR"}, map[string]bool{fold(schema.RowID): true}
	for _, c := range cols {
		if name := fold(columnName(c.Name)); !known[name] {
			known[name] = true
			defs = append(defs, e.define(c))
		}
	}
	return true, w.exec("CREATE OR REPLACE TABLE " + e.path(table) + " (" + strings.Join(defs, ", ") + ")")
}

// change runs do on the writer, in a transaction of its own.
func (d *Destination) change(ctx context.Context, what string, table schema.Table, do func(*engine, *conn) error) error {
	if err := checkTable(table); err != nil {
		return err
	}
	err := d.call(ctx, func(e *engine) error {
		w, err := e.writer.take(ctx)
		if err != nil {
			return err
		}
		defer e.writer.put(w)
		return e.tableFault(ctx, w, table, w.within(ctx, beginWrite, commit, func() error { return do(e, w) }))
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, table, err)
	}
	return nil
}

// tableFault is storeFault, and says when it is the table that the engine does not find, or one that takes no rows.
func (e *engine) tableFault(ctx context.Context, c *conn, table schema.Table, err error) error {
	if classOf(err) != classCatalog {
		return storeFault(ctx, err)
	}
	views, verr := c.rows("SELECT view_name FROM duckdb_views() WHERE database_name = " + literal(e.catalog) +
		" AND lower(schema_name) = " + literal(fold(schemaOf(table))) + " AND lower(view_name) = " + literal(fold(table.Name())))
	if verr == nil && len(views) > 0 {
		return fault.New(fault.Invalid, "table_is_view", "%s is a view: rows can be stored in tables only", table).Because(err)
	}
	return fault.New(fault.NotFound, "unknown_table", "there is no table %s", table).Because(err)
}

// Columns lists table's columns in order, or fault.NotFound.
func (d *Destination) Columns(ctx context.Context, table schema.Table) (cols []schema.Column, err error) {
	err = d.call(ctx, func(e *engine) error {
		c, err := e.looker.take(ctx)
		if err != nil {
			return err
		}
		defer e.looker.put(c)
		described, err := e.describe(c, table)
		for _, col := range described {
			cols = append(cols, col.Column)
		}
		return e.tableFault(ctx, c, table, err)
	})
	if err != nil {
		return nil, fmt.Errorf("list the columns of %s: %w", table, err)
	}
	return cols, nil
}

// column is a table's column and what only the engine needs to know of it.
type column struct {
	schema.Column
	fallback string // the SQL of its default, "" when it has none
}

// describe lists table's columns in order.
func (e *engine) describe(c *conn, table schema.Table) ([]column, error) {
	rows, err := c.rows(`SELECT name, "type", "notnull"::VARCHAR, dflt_value FROM pragma_table_info(` + literal(e.path(table)) + ")")
	if err != nil {
		return nil, err
	}
	cols := make([]column, 0, len(rows))
	for _, row := range rows {
		col := column{Column: kindOf(schema.Column{Name: row[0], Type: row[1], NotNull: row[2] == "true"}), fallback: row[3]}
		if col.fallback != "" {
			col.Computed = e.computed(c, table, col.Name)
			col.Default = !col.Computed
		}
		cols = append(cols, col)
	}
	return cols, nil
}

// computed reports whether a column that has an expression is generated by it. The engine lists a generated column's
// expression as its default, and shows the difference only when a row is to be inserted.
func (e *engine) computed(c *conn, table schema.Table, name string) bool {
	stmt, err := c.prepare("INSERT INTO " + e.path(table) + " (" + quote(name) + ") VALUES (NULL)")
	if err == nil {
		mapping.DestroyPrepare(&stmt)
	}
	return err != nil
}

// Tables lists the users' tables, sorted. One whose name ParseTable does not take cannot be reached and is left out.
func (d *Destination) Tables(ctx context.Context) (tables []schema.Table, err error) {
	err = d.call(ctx, func(e *engine) error {
		c, err := e.looker.take(ctx)
		if err != nil {
			return err
		}
		defer e.looker.put(c)
		rows, err := c.rows("SELECT schema_name, table_name FROM duckdb_tables() " +
			"WHERE database_name = " + literal(e.catalog) + " AND NOT internal AND NOT temporary")
		if err != nil {
			return storeFault(ctx, err)
		}
		tables = tablesOf(rows)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return tables, nil
}

func tablesOf(rows [][]string) []schema.Table {
	var tables []schema.Table
	for _, row := range rows {
		name := row[0] + "." + row[1]
		if row[0] == mainSchema {
			name = row[1]
		}
		t, err := schema.ParseTable(name)
		if err != nil || row[0] == ownSchema || t.Name() != row[1] {
			continue
		}
		tables = append(tables, t)
	}
	slices.SortFunc(tables, func(a, b schema.Table) int { return strings.Compare(a.String(), b.String()) })
	return tables
}
