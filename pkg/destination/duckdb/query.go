package duckdb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/sqltext"
)

// Query runs sql read-only and gives its rows to out as they arrive. Three locks, each enough for most of what must not
// happen: the engine's own parser must find one SELECT that calls nothing outside checkCalls' list; the statement that
// it prepares must be of the type SELECT; and it runs in a read-only transaction of an engine that cannot reach files.
func (d *Destination) Query(ctx context.Context, sql string, args []any, out result.Writer) error {
	err := d.asking(ctx, sql, func(c *conn) error { return c.answer(sql, args, out) })
	if unexplained(ctx, err) {
		return d.reason(ctx, sql, args)
	}
	return err
}

// Check says what is wrong with sql, as it is, without running it.
func (d *Destination) Check(ctx context.Context, sql string) error {
	return d.asking(ctx, sql, func(c *conn) error {
		stmt, err := c.prepareSelect(sql)
		if err == nil {
			mapping.DestroyPrepare(&stmt)
		}
		return err
	})
}

// asking runs do, which asks sql, behind the first lock and the third.
func (d *Destination) asking(ctx context.Context, sql string, do func(*conn) error) error {
	return d.call(ctx, func(e *engine) error {
		c, err := e.queries.take(ctx)
		if err != nil {
			return err
		}
		defer e.queries.put(c)
		if err := c.check(sql); err != nil {
			return queryFault(ctx, err)
		}
		return queryFault(ctx, c.within(ctx, beginRead, rollback, func() error { return do(c) }))
	})
}

// answer prepares sql, which is checked, and streams its rows to out.
func (c *conn) answer(sql string, args []any, out result.Writer) error {
	stmt, err := c.prepareSelect(sql)
	if err != nil {
		return err
	}
	defer mapping.DestroyPrepare(&stmt)
	if cols, odd := oddColumns(stmt); odd {
		return c.answerOdd(sql, cols, args, out)
	}
	err = stream(stmt, args, out.Begin, out.Write)
	var odd *oddError
	if errors.As(err, &odd) { // types that depend on arguments are known only now; out has not begun
		return c.answerOdd(sql, odd.cols, args, out)
	}
	if err != nil {
		return err
	}
	return out.End()
}

// answerOdd answers sql with its odd columns as text. The SQL that casts them is checked like any other.
func (c *conn) answerOdd(sql string, cols []outColumn, args []any, out result.Writer) error {
	statement, ok := sqltext.One(sql)
	if !ok {
		return badSQL("the answer has columns that are sent as text, and the query cannot be put into one that casts them: " +
			"write it as one SELECT, without semicolons")
	}
	cast := castOdd(statement, cols)
	if err := c.check(cast); err != nil {
		return err
	}
	stmt, err := c.prepareSelect(cast)
	if err != nil {
		return err
	}
	defer mapping.DestroyPrepare(&stmt)
	if err := stream(stmt, args, out.Begin, out.Write); err != nil {
		return err
	}
	return out.End()
}

// prepareSelect prepares the only statement of sql and makes sure that it is a SELECT.
func (c *conn) prepareSelect(sql string) (stmt mapping.PreparedStatement, err error) {
	var all mapping.ExtractedStatements
	n := mapping.ExtractStatements(c.link, sql, &all)
	defer mapping.DestroyExtracted(&all)
	switch {
	case n == 0 && mapping.ExtractStatementsError(all) != "":
		return stmt, newEngineError(mapping.ExtractStatementsError(all))
	case n == 0:
		return stmt, badSQL("the query is empty")
	case n > 1:
		return stmt, fault.New(fault.Denied, "multiple_statements", "a query must be one statement, this has %d", n)
	}
	if mapping.PrepareExtractedStatement(c.link, all, 0, &stmt) == mapping.StateError {
		err = newEngineError(mapping.PrepareError(stmt))
	} else if mapping.PreparedStatementType(stmt) != mapping.StatementTypeSelect {
		err = notSelect()
	}
	if err != nil {
		mapping.DestroyPrepare(&stmt)
	}
	return stmt, err
}

func notSelect() error {
	return fault.New(fault.Denied, "not_a_select", "a query must be a SELECT; nothing else is allowed here")
}

// outColumn is a column of an answer.
type outColumn struct {
	name string
	odd  bool // of a type that package vector does not have
}

// oddError says that an answer has odd columns.
type oddError struct{ cols []outColumn }

func (e *oddError) Error() string {
	var names []string
	for _, c := range e.cols {
		if c.odd {
			names = append(names, strconv.Quote(c.name))
		}
	}
	return "columns of types that have no vector: " + strings.Join(names, ", ")
}

// oddColumns lists the columns of stmt's answer, and whether one is odd.
func oddColumns(stmt mapping.PreparedStatement) (cols []outColumn, odd bool) {
	for i := range mapping.PreparedStatementColumnCount(stmt) {
		t := mapping.PreparedStatementColumnLogicalType(stmt, i)
		// An answer whose types depend on parameters has none yet, and ids of no known type.
		isOdd := t.Ptr != nil && mapping.GetTypeId(t) != mapping.TypeInvalid && unsupported(t)
		mapping.DestroyLogicalType(&t)
		cols = append(cols, outColumn{mapping.PreparedStatementColumnName(stmt, i), isOdd})
		odd = odd || isOdd
	}
	return cols, odd
}

// castOdd wraps one statement so that its odd columns arrive as text.
func castOdd(statement string, cols []outColumn) string {
	inner, outer := make([]string, len(cols)), make([]string, len(cols))
	for i, c := range cols {
		inner[i] = fmt.Sprintf("c%d", i)
		outer[i] = inner[i]
		if c.odd {
			outer[i] = "CAST(" + inner[i] + " AS VARCHAR)"
		}
		outer[i] += " AS " + quote(c.name)
	}
	return "SELECT " + strings.Join(outer, ", ") + " FROM (\n" + statement + "\n) AS q(" + strings.Join(inner, ", ") + ")"
}
