package clickhouse

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Query runs sql read-only and gives its rows to out as they arrive. Three locks: the server's own parser must find one
// SELECT that calls nothing outside check's lists; the server runs it in its readonly mode; and, when the settings name one,
// as a user of its own.
func (d *Destination) Query(ctx context.Context, sql string, args []any, out result.Writer) error {
	return d.call(func() error {
		sql, params, err := bind(sql, args)
		if err != nil {
			return err
		}
		if err := d.check(ctx, sql, params); err != nil {
			return queryFault(ctx, err)
		}
		err = d.answer(ctx, sql, params, out)
		var odd *oddError
		if errors.As(err, &odd) { // out has not begun
			if sql, err = d.castOdd(ctx, sql, params); err == nil {
				err = d.answer(ctx, sql, params, out)
			}
		}
		return queryFault(ctx, err)
	})
}

// answer runs sql, which is checked, and streams its rows to out.
func (d *Destination) answer(ctx context.Context, sql string, params []param, out result.Writer) error {
	began := false
	var own error // of out, without the words that others put around it
	err := d.asker.do(ctx, request{sql: sql, id: ulid.Make().String(), settings: d.limits(ctx), params: params, output: func(a *answer) error {
		if own = give(a, &began, out); own != nil {
			return own
		}
		return ctx.Err()
	}})
	switch {
	case own != nil:
		return own
	case err != nil:
		return err
	case !began: // over HTTP an answer without rows has no columns either
		heads, err := d.heads(ctx, sql, params)
		if err != nil {
			return err
		}
		if err := out.Begin(heads); err != nil {
			return err
		}
	}
	return out.End()
}

// heads has the server describe the columns of an answer.
func (d *Destination) heads(ctx context.Context, sql string, params []param) (heads []vector.Field, err error) {
	err = d.described(ctx, sql, params, func(name, text string) error {
		c, err := newColumnReader(parseType(text))
		if err != nil {
			return &oddError{}
		}
		heads = append(heads, vector.Field{Name: name, Type: c.vec.Type})
		return nil
	})
	return heads, err
}

// described gives the name and the type of each column of an answer to do.
func (d *Destination) described(ctx context.Context, sql string, params []param, do func(name, text string) error) error {
	sql = strings.TrimRight(sql, "; \t\r\n")
	return d.asker.do(ctx, request{sql: "DESCRIBE TABLE (\n" + sql + "\n)", settings: d.asks, params: params, output: func(a *answer) error {
		for i := range a.out.Rows {
			if err := do(strings.Clone(a.out.Cols[0].Texts[i]), strings.Clone(a.out.Cols[1].Texts[i])); err != nil {
				return err
			}
		}
		return nil
	}})
}

// give gives a block to out.
func give(a *answer, began *bool, out result.Writer) error {
	if a.odd != nil {
		return &oddError{}
	}
	if !*began {
		*began = true
		if err := out.Begin(a.fields()); err != nil {
			return err
		}
	}
	if a.out.Rows == 0 {
		return nil
	}
	return out.Write(&a.out)
}

// limits gives the settings of a query that may take as long as ctx says.
func (d *Destination) limits(ctx context.Context) []setting {
	end, ok := ctx.Deadline()
	if !ok || len(d.asks) == 0 {
		return d.asks
	}
	seconds := int(math.Ceil(time.Until(end).Seconds())) + 1 // ctx itself comes first
	return append(d.asks[:len(d.asks):len(d.asks)], setting{"max_execution_time", strconv.Itoa(max(seconds, 1))})
}

// castOdd wraps sql so that its columns of types that package vector does not have arrive as text.
func (d *Destination) castOdd(ctx context.Context, sql string, params []param) (string, error) {
	var names []string
	odd := false
	err := d.described(ctx, sql, params, func(name, text string) error {
		name = quote(name)
		if _, err := newColumnReader(parseType(text)); err != nil || len(d.asks) == 0 && strings.Contains(text, "JSON") {
			odd = true
			name = printed(name, text) + " AS " + name
		}
		names = append(names, name)
		return nil
	})
	if err == nil && !odd {
		err = errors.New("the server describes an answer of other types than it gives")
	}
	return "SELECT " + strings.Join(names, ", ") + " FROM (\n" + strings.TrimRight(sql, "; \t\r\n") + "\n)", err
}

// printed is the SQL of a column's text.
func printed(name, text string) string {
	if strings.HasPrefix(text, "AggregateFunction(") {
		return "toString(finalizeAggregation(" + name + "))"
	}
	return "if(isNull(" + name + "), NULL, toString(" + name + "))" // alone it makes the empty text of a NULL in a Variant
}
