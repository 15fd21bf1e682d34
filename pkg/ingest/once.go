package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// once is an insert with an idempotency key, while its body is read.
type once struct {
	place
	body hash.Hash            // of the body, and of what else makes two inserts the same
	done *control.KeyedInsert // what is remembered, once the body was read
}

func newOnce(t target, o Options) *once {
	n := &once{place: place{t.destination, digest(sha256.Sum256([]byte(o.Key)))}, body: sha256.New()}
	fmt.Fprintf(n.body, "%s\n%s\n", o.Mode, t.table)
	return n
}

func digest(sum [sha256.Size]byte) (d control.Digest) {
	copy(d[:], sum[:])
	return d
}

func (n *once) digest() control.Digest { return digest([sha256.Size]byte(n.body.Sum(nil))) }

// read notes that the body was read. The batch and the receipt are not known yet.
func (n *once) read(rows int, ids []string) *control.KeyedInsert {
	n.done = &control.KeyedInsert{Destination: n.destination, Key: n.key, Body: n.digest(), Rows: rows, RowIDs: ids, Made: time.Now()}
	return n.done
}

// insertOnce is insert for an insert with an idempotency key.
func (w *Writer) insertOnce(ctx context.Context, t target, body io.Reader, o Options) (Inserted, error) {
	o.Ack = AckDisk // whoever sends it again may ask for that, and gets this answer
	n := newOnce(t, o)
	body = io.TeeReader(body, n.body)
	done, mine, err := w.keys.claim(ctx, n.place)
	if err != nil {
		return Inserted{}, err
	}
	if done != nil {
		return w.replay(n, body, done)
	}
	var outcome *control.KeyedInsert
	defer func() { w.keys.settle(n.place, mine, outcome) }()
	in, err := w.insert(ctx, t, body, o, n)
	if err != nil {
		return in, err
	}
	if in.Rows == 0 { // there is no row that could carry the key
		if _, err := w.keys.remember(ctx, n.read(0, nil)); err != nil {
			return Inserted{}, keysAway(err)
		}
		defer w.keys.drop(n.place, mine) // the store knows it, and no batch will be flushed for it
	}
	outcome = n.done
	return in, nil
}

// replay reads the body of an insert that was done before, and gives what was answered then.
func (w *Writer) replay(n *once, body io.Reader, done *control.KeyedInsert) (Inserted, error) {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return Inserted{}, err
	}
	if n.digest() != done.Body {
		return Inserted{}, fault.New(fault.Unprocessable, "idempotency_key_reused",
			"the Idempotency-Key was used for another insert: its body, table or flatten mode was different")
	}
	w.metrics.replayed(n.destination)
	return Inserted{Rows: done.Rows, Receipt: done.Receipt, Batch: done.Batch, RowIDs: done.RowIDs, Replayed: true}, nil
}

// withIDs ends the mark of an insert whose row ids are remembered.
const withIDs = "+"

// markOf is what the last row of a keyed insert carries.
func markOf(in *control.KeyedInsert) string {
	mark := hex.EncodeToString(in.Key[:]) + hex.EncodeToString(in.Body[:])
	if len(in.RowIDs) > 0 {
		mark += withIDs
	}
	return mark
}

// keyedIn reads the keyed inserts that were found in a batch file.
func keyedIn(destination, batch string, runs []ndjson.KeyedRun) ([]*control.KeyedInsert, error) {
	var list []*control.KeyedInsert
	for _, run := range runs {
		text, ids := strings.CutSuffix(run.Mark, withIDs)
		b, err := hex.DecodeString(text)
		in := &control.KeyedInsert{Destination: destination, Batch: batch, Rows: int(run.Rows), Made: createdOf(batch),
			Receipt: rowid.Receipt(batch, int(run.First), int(run.Rows))}
		if err != nil || len(b) != len(in.Key)+len(in.Body) {
			return nil, fmt.Errorf("batch %s: %.80q is no mark of a keyed insert", batch, run.Mark)
		}
		copy(in.Key[:], b)
		copy(in.Body[:], b[len(in.Key):])
		if ids {
			in.RowIDs = run.RowIDs
		}
		list = append(list, in)
	}
	return list, nil
}
