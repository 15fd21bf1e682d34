package duckdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// syntax is the engine's description of a query.
type syntax struct {
	Error      bool   `json:"error"`
	Type       string `json:"error_type"`
	Message    string `json:"error_message"`
	Statements []any  `json:"statements"`
}

// parserSQL only parses: it binds nothing and runs nothing. It refuses all statements but SELECTs.
const parserSQL = "SELECT json_serialize_sql(?::VARCHAR, skip_null := true, skip_empty := true, skip_default := true)::VARCHAR"

// check parses sql and refuses what is not one SELECT, calls that a query must not make, and what is too large to be planned.
func (c *conn) check(sql string) error {
	if strings.Contains(sql, "\x00") {
		return badSQL("the query has a NUL character")
	}
	tree, err := c.parse(sql)
	if err != nil {
		return err
	}
	switch {
	case tree.Error && tree.Type == "parser":
		return c.parseError(sql, tree.Message)
	case tree.Error:
		return c.manyOrNotSelect(sql)
	case len(tree.Statements) == 0:
		return badSQL("the query is empty")
	case len(tree.Statements) > 1:
		return fault.New(fault.Denied, "multiple_statements", "a query must be one statement, this has %d", len(tree.Statements))
	}
	if err := checkCalls(tree.Statements[0]); err != nil {
		return err
	}
	return c.checkExtent(sql, tree.Statements[0])
}

func (c *conn) parse(sql string) (tree syntax, err error) {
	if c.parser.Ptr == nil {
		if c.parser, err = c.prepare(parserSQL); err != nil {
			return syntax{}, err
		}
	}
	if mapping.BindVarchar(c.parser, 1, sql) == mapping.StateError {
		return syntax{}, badSQL("the query is not valid UTF-8")
	}
	var res mapping.Result
	defer mapping.DestroyResult(&res)
	if mapping.ExecutePrepared(c.parser, &res) == mapping.StateError {
		return syntax{}, newEngineError(mapping.ResultError(&res))
	}
	chunk := mapping.FetchChunk(res)
	if chunk.Ptr == nil {
		return syntax{}, errors.New("the engine describes no syntax")
	}
	defer mapping.DestroyDataChunk(&chunk)
	r, err := newReader(&res)
	if err != nil {
		return syntax{}, err
	}
	b, err := r.batch(chunk)
	if err != nil {
		return syntax{}, err
	}
	if err := json.Unmarshal([]byte(b.Cols[0].Texts[0]), &tree); err != nil {
		return syntax{}, fmt.Errorf("read the engine's syntax tree: %w", err)
	}
	return tree, nil
}

// parseError gives the engine's own message for sql, which shows the place of the mistake.
func (c *conn) parseError(sql, message string) error {
	stmt, err := c.prepare(sql)
	if err == nil {
		mapping.DestroyPrepare(&stmt)
		return badSQL("%s", message)
	}
	return err
}

// manyOrNotSelect says why sql, which parses, is not one SELECT.
func (c *conn) manyOrNotSelect(sql string) error {
	var all mapping.ExtractedStatements
	defer mapping.DestroyExtracted(&all)
	if n := mapping.ExtractStatements(c.link, sql, &all); n > 1 {
		return fault.New(fault.Denied, "multiple_statements", "a query must be one statement, this has %d", n)
	}
	return notSelect()
}
