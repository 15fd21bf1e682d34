package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unsafe"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// Engine does task with DuckDB alone, in its default configuration, and prints the seconds that it took: "load" makes a
// table of the NDJSON file path in the database file db; "json" makes the table of outRows there and scans each row's to_json, and
// "csv" and "parquet" copy it to nowhere in that format.
func Engine(task, path, db string, out io.Writer) (err error) {
	e, err := openEngine(db)
	if err != nil {
		return err
	}
	defer e.close()
	var took time.Duration
	switch task {
	case "load":
		start := time.Now()
		quoted := "'" + strings.ReplaceAll(path, "'", "''") + "'"
		if err = e.exec("create table bulk as select * from read_ndjson_auto(" + quoted + ")"); err == nil {
			err = e.exec("checkpoint")
		}
		took = time.Since(start)
	case "json", "csv", "parquet":
		if err = e.exec("create table wide as " + wideSQL); err != nil {
			return err
		}
		if task == "json" {
			took, err = e.scanJSON()
			break
		}
		start := time.Now()
		err = e.exec("copy wide to '" + os.DevNull + "' (format " + task + ")")
		took = time.Since(start)
	default:
		err = fmt.Errorf("no task %q", task)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%f\n", took.Seconds())
	return err
}

type engine struct {
	db   mapping.Database
	conn mapping.Connection
}

func openEngine(file string) (*engine, error) {
	e := &engine{}
	if mapping.Open(file, &e.db) == mapping.StateError {
		return nil, errors.New("open " + file)
	}
	if mapping.Connect(e.db, &e.conn) == mapping.StateError {
		mapping.Close(&e.db)
		return nil, errors.New("connect to " + file)
	}
	return e, nil
}

func (e *engine) close() {
	mapping.Disconnect(&e.conn)
	mapping.Close(&e.db)
}

func (e *engine) exec(sql string) error {
	var r mapping.Result
	defer mapping.DestroyResult(&r)
	if mapping.Query(e.conn, sql, &r) == mapping.StateError {
		return errors.New(mapping.ResultError(&r))
	}
	return nil
}

// scanJSON streams the rows of the table as to_json prints them and reads the length of each.
func (e *engine) scanJSON() (time.Duration, error) {
	start := time.Now()
	var stmt mapping.PreparedStatement
	if mapping.Prepare(e.conn, "select to_json(w)::varchar from wide w", &stmt) == mapping.StateError {
		return 0, errors.New(mapping.PrepareError(stmt))
	}
	defer mapping.DestroyPrepare(&stmt)
	var pending mapping.PendingResult
	if mapping.PendingPreparedStreaming(stmt, &pending) == mapping.StateError {
		return 0, errors.New(mapping.PendingError(pending))
	}
	defer mapping.DestroyPending(&pending)
	var r mapping.Result
	if mapping.ExecutePending(pending, &r) == mapping.StateError {
		return 0, errors.New(mapping.ResultError(&r))
	}
	defer mapping.DestroyResult(&r)
	var bytes int64
	rows := 0
	for {
		chunk := mapping.FetchChunk(r)
		if chunk.Ptr == nil {
			break
		}
		n := int(mapping.DataChunkGetSize(chunk))
		vec := mapping.DataChunkGetVector(chunk, 0)
		strs := unsafe.Slice((*[4]uint32)(mapping.VectorGetData(vec)), n)
		for i := range strs {
			bytes += int64(strs[i][0])
		}
		rows += n
		mapping.DestroyDataChunk(&chunk)
	}
	if rows != outRows || bytes == 0 {
		return 0, fmt.Errorf("scanned %d rows of %d bytes, want %d rows", rows, bytes, outRows)
	}
	return time.Since(start), nil
}
