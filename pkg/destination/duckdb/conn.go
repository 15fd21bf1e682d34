package duckdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	bindings "github.com/duckdb/duckdb-go-bindings"
	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// conn is one connection. Not for concurrent use.
type conn struct {
	link   mapping.Connection
	parser mapping.PreparedStatement // turns a query into its syntax tree; made when first needed
	broken bool                      // a transaction may be open still: never use it again
}

func connect(db mapping.Database) (*conn, error) {
	c := &conn{}
	if mapping.Connect(db, &c.link) == mapping.StateError {
		return nil, errors.New("the engine gives no connection")
	}
	return c, nil
}

func (c *conn) close() {
	mapping.DestroyPrepare(&c.parser)
	mapping.Disconnect(&c.link)
}

// exec runs one statement of our own and forgets its answer.
func (c *conn) exec(sql string) error {
	var r mapping.Result
	defer mapping.DestroyResult(&r)
	if mapping.Query(c.link, sql, &r) == mapping.StateError {
		return newEngineError(mapping.ResultError(&r))
	}
	return nil
}

// rows runs one statement of our own, all columns of which are texts, and returns its rows; NULL is "".
func (c *conn) rows(sql string, args ...any) (rows [][]string, err error) {
	err = c.each(sql, func(row []string) error {
		rows = append(rows, row)
		return nil
	}, args...)
	return rows, err
}

// each is rows for answers of any size: do gets one row after the other, and may keep it.
func (c *conn) each(sql string, do func(row []string) error, args ...any) error {
	stmt, err := c.prepare(sql)
	if err != nil {
		return err
	}
	defer mapping.DestroyPrepare(&stmt)
	return stream(stmt, args, func([]vector.Field) error { return nil }, func(b *vector.Batch) error {
		for i := range b.Rows {
			row := make([]string, len(b.Cols))
			for j, v := range b.Cols {
				row[j] = string(append([]byte(nil), v.Texts[i]...)) // the engine's memory ends with the batch
			}
			if err := do(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *conn) prepare(sql string) (mapping.PreparedStatement, error) {
	var stmt mapping.PreparedStatement
	if mapping.Prepare(c.link, sql, &stmt) == mapping.StateError {
		err := newEngineError(mapping.PrepareError(stmt))
		mapping.DestroyPrepare(&stmt)
		return stmt, err
	}
	return stmt, nil
}

// within runs do in a transaction that begin starts. It commits when do succeeds and ctx has not ended, else it takes
// everything back; whatever happens, the connection has no transaction open afterwards, or is marked broken. When ctx
// ends, what the engine is doing is interrupted, but never a commit.
func (c *conn) within(ctx context.Context, begin, end string, do func() error) error {
	if err := c.exec(begin); err != nil {
		return err
	}
	c.broken = true // until do returns: should it panic, its transaction stays open
	err := c.watched(ctx, do)
	c.broken = false
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		if err = c.exec(end); err == nil {
			return nil
		}
		// A commit that fails has ended its transaction, and then a rollback finds none.
		_ = c.exec(rollback)
		return err
	}
	if rerr := c.exec(rollback); rerr != nil {
		c.broken = true
		return errors.Join(err, fmt.Errorf("take the transaction back: %w", rerr))
	}
	return err
}

// watched runs do, and interrupts what the engine is doing when ctx ends.
func (c *conn) watched(ctx context.Context, do func() error) error {
	defer c.interruptAfter(ctx)()
	return do()
}

// The statements around a transaction.
const (
	beginWrite = "BEGIN TRANSACTION"
	beginRead  = "BEGIN TRANSACTION READ ONLY"
	commit     = "COMMIT"
	rollback   = "ROLLBACK"
)

// interruptEvery is how often a connection is interrupted until it notices: each statement that begins clears the mark.
const interruptEvery = 10 * time.Millisecond

// interruptAfter interrupts the connection when ctx ends. The function it returns stops that, and must be called.
func (c *conn) interruptAfter(ctx context.Context) (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(ended)
		again := time.NewTicker(interruptEvery)
		defer again.Stop()
		for {
			mapping.Interrupt(c.link)
			select {
			case <-stopped:
				return
			case <-again.C:
			}
		}
	})
	return func() {
		close(stopped)
		if !cancel() {
			<-ended
		}
	}
}

// stream runs stmt with args, tells begin the answer's columns, and gives its rows to write chunk by chunk.
func stream(stmt mapping.PreparedStatement, args []any, begin func([]vector.Field) error, write func(*vector.Batch) error) error {
	if err := bind(stmt, args); err != nil {
		return err
	}
	var pending mapping.PendingResult
	// Deprecated by the engine, which has no other way yet to answer without holding the whole answer.
	state := bindings.PendingPreparedStreaming(stmt, &pending)
	defer mapping.DestroyPending(&pending)
	if state == mapping.StateError {
		return newEngineError(mapping.PendingError(pending))
	}
	var res mapping.Result
	defer mapping.DestroyResult(&res)
	if mapping.ExecutePending(pending, &res) == mapping.StateError {
		return newEngineError(mapping.ResultError(&res))
	}
	r, err := newReader(&res)
	if err != nil {
		return err
	}
	if err := begin(r.fields()); err != nil {
		return err
	}
	for {
		more, err := fetch(&res, r, write)
		if err != nil || !more {
			return err
		}
	}
}

// fetch gives the answer's next chunk to write. more is false when there was none.
func fetch(res *mapping.Result, r *reader, write func(*vector.Batch) error) (more bool, err error) {
	chunk := mapping.FetchChunk(*res)
	if chunk.Ptr == nil { // the end, or an error
		if text := mapping.ResultError(res); text != "" {
			return false, newEngineError(text)
		}
		return false, nil
	}
	defer mapping.DestroyDataChunk(&chunk)
	b, err := r.batch(chunk)
	if err != nil {
		return false, err
	}
	if b.Rows == 0 {
		return false, nil
	}
	return true, write(b)
}
