package clickhouse

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// stage is a table in the server's memory where restored values wait for the one mutation that takes them.
type stage struct {
	*restore
	name string
}

// staged restores all rows by one mutation, and says how many change.
func (r *restore) staged(ctx context.Context) (rows int64, err error) {
	s := &stage{r, quote(r.d.cfg.Database) + "." + quote(ownPrefix+"restore_"+strings.ToLower(ulid.Make().String()))}
	if err := r.d.admin.do(ctx, request{sql: s.create()}); err != nil {
		return 0, err
	}
	defer func() {
		dctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
		defer cancel()
		err = errors.Join(err, r.d.admin.do(dctx, request{sql: "DROP TABLE IF EXISTS " + s.name}))
	}()
	if err := s.fill(ctx); err != nil {
		return 0, err
	}
	if rows, err = r.count(ctx, s.changes()); err == nil && rows > 0 {
		err = r.d.admin.do(ctx, request{sql: s.update(), settings: []setting{{"mutations_sync", "2"}}})
	}
	return rows, err
}

// create is the SQL of the stage: the row's key, its new __rescued, and of each column whether there is a value, and it.
func (s *stage) create() string {
	defs := []string{"k String", "p UInt8 DEFAULT 1", "r String"}
	for i, t := range s.cols {
		n := strconv.Itoa(i)
		defs = append(defs, "h"+n+" UInt8", "v"+n+" "+t.Type)
	}
	return "CREATE TABLE " + s.name + " (" + strings.Join(defs, ", ") + ") ENGINE = Join(ANY, LEFT, k)"
}

// have is the SQL of what the stage has for a row.
func (s *stage) have(column string) string {
	return "joinGet(" + s.name + ", '" + column + "', " + s.key() + ")"
}

// changes is the SQL of whether a row changes.
func (s *stage) changes() string {
	return textOf(s.rescued) + " != '' AND " + s.have("p") + " = 1 AND " + s.have("r") + " != " + textOf(s.rescued)
}

func (s *stage) update() string {
	var set []string
	for i, t := range s.cols {
		n := strconv.Itoa(i)
		set = append(set, quote(t.Name)+" = if("+s.have("h"+n)+" = 1, "+s.have("v"+n)+", "+quote(t.Name)+")")
	}
	set = append(set, quote(schema.Rescued)+" = "+s.emptyRescued(s.have("r")))
	return "ALTER TABLE " + s.d.path(s.table) + " UPDATE " + strings.Join(set, ", ") + " WHERE " + s.changes()
}

// fill reads the rows and puts what comes of their rescued values on the stage.
func (s *stage) fill(ctx context.Context) error {
	pr, pw := io.Pipe()
	dec := s.decoder(pr)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		out := bufio.NewWriter(pw)
		err := s.read(gctx, func(l line) error {
			_, err := out.WriteString(l.text)
			return err
		})
		if err == nil {
			err = out.Flush()
		}
		_ = pw.CloseWithError(err) // never fails
		return err
	})
	g.Go(func() error {
		err := s.send(gctx, dec)
		_ = pr.CloseWithError(err) // never fails
		return err
	})
	err := g.Wait()
	s.left = dec.Rescued()
	return err
}

// send sends what dec reads to the stage.
func (s *stage) send(ctx context.Context, dec *ndjson.Decoder) error {
	var b ndjson.Batch
	next := func() error { return dec.Next(&b, rowsOf(len(s.cols))) }
	if err := next(); err != nil {
		return noRows(err)
	}
	first, out := true, &block{}
	return s.d.admin.do(ctx, request{sql: "INSERT INTO " + s.name + " (" + s.names() + ") FORMAT Native", settings: []setting{{"async_insert", "0"}}, input: func() (*block, error) {
		if !first {
			if err := next(); err != nil {
				return nil, noRows(err)
			}
		}
		first = false
		return s.block(&b, out), nil
	}})
}

// names lists the stage's columns that are sent.
func (s *stage) names() string {
	names := "k, r"
	for i := range s.cols {
		n := strconv.Itoa(i)
		names += ", h" + n + ", v" + n
	}
	return names
}

func noRows(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func (s *stage) block(b *ndjson.Batch, out *block) *block {
	texts := func(name string, v *vector.Vector) inColumn {
		return inColumn{name, "String", func(to *proto.Buffer) { putTexts(to, v, b.Rows) }}
	}
	out.rows, out.cols = b.Rows, append(out.cols[:0], texts("k", b.Cols[0]), texts("r", b.Cols[1]))
	for i := range s.cols {
		v, t := b.Cols[i+2], s.cols[i]
		t.Name = "v" + strconv.Itoa(i)
		out.cols = append(out.cols, inColumn{"h" + strconv.Itoa(i), "UInt8", func(to *proto.Buffer) {
			for row := range b.Rows {
				to.PutBool(!v.IsNull(row))
			}
		}}, t.column(v, b.Rows))
	}
	return out
}
