package clickhouse

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// stage is a table in the server's memory where restored values wait for the one mutation that takes them.
type stage struct {
	*restore
	name string
}

// stagePrefix begins the names of stages. What comes after it says when each was made.
const stagePrefix = ownPrefix + "restore_"

func (s *stage) path() string { return quote(s.d.cfg.Database) + "." + quote(s.name) }

// queued is the mutation that takes what is on the stage.
func (s *stage) queued() queued { return queued{s.restore, s.name} }

// staged restores all rows by one mutation. Only where rows are the same but for what their columns have, some are left for another one.
func (r *restore) staged(ctx context.Context) (did destination.Restored, err error) {
	if err := r.sweep(ctx); err != nil {
		return did, err
	}
	for {
		r.found = 0
		one, more, err := r.stagedOnce(ctx)
		did.Rows, did.Values, did.Left = did.Rows+one.Rows, did.Values+one.Values, one.Left
		if err != nil || one.Rows == 0 || !more {
			return did, err
		}
	}
}

func (r *restore) stagedOnce(ctx context.Context) (did destination.Restored, more bool, err error) {
	s, needed := &stage{r, stagePrefix + strings.ToLower(ulid.Make().String())}, false
	defer func() {
		if !needed {
			err = errors.Join(err, s.drop(ctx))
		}
	}()
	if err := s.d.admin.do(ctx, request{sql: s.create()}); err != nil {
		return did, false, err
	}
	if err := s.fill(ctx); err != nil {
		return did, false, err
	}
	if did, more, err = s.count(ctx); err == nil && did.Rows > 0 {
		needed, err = s.change(ctx, more)
	}
	return did, more, err
}

func (s *stage) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
	defer cancel()
	return s.d.admin.do(ctx, request{sql: "DROP TABLE IF EXISTS " + s.path()})
}

// change has the server change the rows, and waits for it until the destination is closed: the stage must stay as long as the mutation.
// needed says that the server may still need it. Whoever replays next drops it then (see sweep).
func (s *stage) change(ctx context.Context, others bool) (needed bool, err error) {
	ctx, cancel := s.d.beside.Bound(context.WithoutCancel(ctx))
	defer cancel()
	said := s.d.admin.do(ctx, request{sql: s.update(others), settings: []setting{{"mutations_sync", "0"}}})
	if codeOf(said) != 0 {
		return false, said
	}
	p, err := s.queued().wait(ctx, func(_ context.Context, p progress) (bool, error) { return p != working, nil })
	if p != absent || err != nil {
		return p == working, err
	}
	left, _, err := s.count(ctx) // it may be done and forgotten
	switch {
	case err != nil || left.Rows == 0:
		return false, err
	case said != nil: // its answer is lost, and it may still come
		return true, said
	}
	return false, s.queued().takenBack()
}

// staleAfter is how old a stage is when nobody is at it any more for whom no statement runs.
const staleAfter = time.Hour

// sweep drops the stages of those who could not do so themselves, as they or the server had ended, and takes back mutations whose stage is
// lost: they would keep the table from changing for ever.
func (r *restore) sweep(ctx context.Context) error {
	const name = stagePrefix + "[0-9a-z]{26}"
	needed, err := r.d.admin.rows(ctx, "SELECT extract(command, '"+name+"'), database, table FROM system.mutations WHERE NOT is_done AND position(command, '"+stagePrefix+"') > 0 "+
		"UNION ALL SELECT extract(query, '"+name+"'), '', '' FROM system.processes WHERE position(query, '"+stagePrefix+"') > 0")
	if err != nil {
		return err
	}
	found, err := r.d.admin.rows(ctx, "SELECT name FROM system.tables WHERE database = {name:String} AND startsWith(name, '"+stagePrefix+"')", param{"name", escapeParam(r.d.cfg.Database)})
	if err != nil {
		return err
	}
	left := map[string]bool{}
	for _, row := range found {
		left[row[0]] = true
	}
	for _, row := range needed {
		if !left[row[0]] && row[1] == r.database && row[2] == r.name {
			err = errors.Join(err, queued{r, row[0]}.kill(ctx))
		}
		delete(left, row[0])
	}
	for name := range left {
		made, perr := ulid.ParseStrict(strings.ToUpper(strings.TrimPrefix(name, stagePrefix)))
		if perr == nil && time.Since(made.Timestamp()) > staleAfter {
			err = errors.Join(err, (&stage{r, name}).drop(ctx))
		}
	}
	return err
}

// create is the SQL of the stage: the row's key, what its columns had, its new __rescued, how many values go out of that, and
// of each column whether there is a value, and it.
func (s *stage) create() string {
	defs := []string{"k String", "p UInt8 DEFAULT 1", "s String", "r String", "g UInt32"}
	for i, t := range s.cols {
		n := strconv.Itoa(i)
		defs = append(defs, "h"+n+" UInt8", "v"+n+" "+t.Type)
	}
	return "CREATE TABLE " + s.path() + " (" + strings.Join(defs, ", ") + ") ENGINE = Join(ANY, LEFT, k)"
}

// have is the SQL of what the stage has for a row.
func (s *stage) have(column string) string {
	return "joinGet(" + s.path() + ", '" + column + "', " + s.key() + ")"
}

// differs is the SQL of whether the stage has something else for a row than it has.
func (s *stage) differs() string {
	return textOf(s.rescued) + " != '' AND " + s.have("p") + " = 1 AND " + s.have("r") + " != " + textOf(s.rescued)
}

// asRead is the SQL of whether a row has the columns yet that it was read with. If it has others, it may be another one with the same key.
func (s *stage) asRead() string { return s.have("s") + " = " + states(s.cols) }

// count says how many rows change and how many of their values go into columns, and whether there are others that the stage does not fit.
func (s *stage) count(ctx context.Context) (did destination.Restored, more bool, err error) {
	rows, err := s.d.admin.rows(ctx, "SELECT toString(countIf(fits)), toString(sumIf(goes, fits)), toString(countIf(NOT fits)) FROM (SELECT "+s.asRead()+" AS fits, "+s.have("g")+
		" AS goes FROM "+s.d.path(s.table)+" WHERE "+s.differs()+")")
	if err != nil {
		return did, false, err
	}
	var n [3]int64
	for i, text := range rows[0] {
		if n[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return did, false, err
		}
	}
	return destination.Restored{Rows: n[0], Values: n[1], Left: s.found - n[1]}, n[2] > 0, nil
}

// update is the SQL of the mutation. The server says its condition again for each column, so what all columns had is in it only when
// there are others with the same key.
func (s *stage) update(others bool) string {
	var set []string
	for i, t := range s.cols {
		n := strconv.Itoa(i)
		asRead := "substring(" + s.have("s") + ", " + strconv.Itoa(i+1) + ", 1) = " + t.state()
		set = append(set, quote(t.Name)+" = if("+s.have("h"+n)+" = 1 AND "+asRead+", "+s.have("v"+n)+", "+quote(t.Name)+")")
	}
	set = append(set, quote(schema.Rescued)+" = "+s.emptyRescued("if("+s.asRead()+", "+s.have("r")+", "+textOf(s.rescued)+")"))
	condition := s.differs()
	if others {
		condition += " AND " + s.asRead()
	}
	return "ALTER TABLE " + s.d.path(s.table) + " UPDATE " + strings.Join(set, ", ") + " WHERE " + condition
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
	return g.Wait()
}

// send sends what dec reads to the stage.
func (s *stage) send(ctx context.Context, dec *ndjson.Decoder) error {
	var b ndjson.Batch
	next := func() error { return dec.Next(&b, rowsOf(len(s.cols))) }
	if err := next(); err != nil {
		return noRows(err)
	}
	first, out := true, &block{}
	return s.d.admin.do(ctx, request{sql: "INSERT INTO " + s.path() + " (" + s.names() + ") FORMAT Native", settings: []setting{{"async_insert", "0"}}, input: func() (*block, error) {
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
	names := "k, s, r, g"
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
	parts := func(name string, part func(text string) string) inColumn {
		return inColumn{name, "String", func(to *proto.Buffer) {
			for _, text := range b.Cols[0].Texts[:b.Rows] {
				to.PutString(part(text))
			}
		}}
	}
	key := parts("k", func(text string) string { return text[:keyLength] })
	had := parts("s", func(text string) string { return text[keyLength : keyLength+len(s.cols)] })
	rescued := inColumn{"r", "String", func(to *proto.Buffer) { putTexts(to, b.Cols[1], b.Rows) }}
	goes := inColumn{"g", "UInt32", func(to *proto.Buffer) {
		for row, text := range b.Cols[0].Texts[:b.Rows] {
			found, _ := strconv.Atoi(text[keyLength+len(s.cols):]) // it is ours
			to.PutUInt32(uint32(found - members(b.Cols[1], row)))
		}
	}}
	out.rows, out.cols = b.Rows, append(out.cols[:0], key, had, rescued, goes)
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

// members counts those of an object, none of NULL.
func members(v *vector.Vector, row int) (n int) {
	if !v.IsNull(row) {
		_ = ndjson.Members(v.Texts[row], func(_, _ []byte) { n++ }) // it comes from the decoder
	}
	return n
}
