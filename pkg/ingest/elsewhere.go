package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
)

// Several nodes may share the store of keys. Until a batch is sealed only its own node knows the keys in it, so an insert
// that was sent again, to another node, may be in two batches. That whose key is noted first stays where it is. The other
// leaves its batch before the batch does: nothing of it was loaded, and the client has been told of rows that are there.

// elsewhere gives those of the inserts that are in the store as inserts of other batches, with the same body: of two
// inserts that are not the same both are kept, as both were acknowledged.
func elsewhere(inserts []*control.KeyedInsert, known []control.KeyedInsert) map[place]control.KeyedInsert {
	var found map[place]control.KeyedInsert
	at := make(map[place]*control.KeyedInsert, len(known))
	for i := range known {
		at[place{known[i].Destination, known[i].Key}] = &known[i]
	}
	for _, in := range inserts {
		p := place{in.Destination, in.Key}
		if k := at[p]; k != nil && k.Body == in.Body && k.Batch != in.Batch {
			if found == nil {
				found = make(map[place]control.KeyedInsert)
			}
			found[p] = *k
		}
	}
	return found
}

// leaveOut takes the inserts out of the open batch b that are elsewhere, and gives the size that its file has then. Only the
// first length bytes are b's: what follows had failed, and does not come along. Should the process die, the next one finds
// either file; so does the next try when the new one took its place and that could not be made durable.
func (w *Writer) leaveOut(b sealed, length int64, there map[place]control.KeyedInsert) (size int64, err error) {
	found, err := scanFile(b.path, func(r io.Reader) (ndjson.Scanned, error) { return ndjson.Scan(io.LimitReader(r, length)) })
	if err != nil {
		return 0, err
	}
	if found.Good != found.Size { // to go on would drop rows that were acknowledged
		return 0, fmt.Errorf("%s is damaged: %d of its first %d bytes are whole inserts", b.path, found.Good, found.Size)
	}
	list, err := keyedIn(b.destination, b.batch, found.Keyed)
	if err != nil {
		return 0, err
	}
	var out []ndjson.KeyedRun
	for i, in := range list {
		if _, ok := there[place{in.Destination, in.Key}]; ok {
			out = append(out, found.Keyed[i])
			w.metrics.replayed(b.destination)
		}
	}
	to, path, err := w.createIncoming()
	if err != nil {
		return 0, err
	}
	size, err = copyWithout(to, b.path, found.Good, out)
	if err == nil {
		err = durable.Data(to)
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = durable.Rename(path, b.path)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("leave inserts out of batch %s: %w", b.batch, err), durable.Remove(path))
	}
	w.log.Info("inserts left out that another node has", "batch", b.batch, "destination", b.destination, "inserts", len(out))
	return size, nil
}

// copyWithout copies the rows of the file from, which are its first length bytes, but for those of the runs, which are in
// the file's order.
func copyWithout(to io.Writer, from string, length int64, runs []ndjson.KeyedRun) (size int64, err error) {
	f, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out, lines := bufio.NewWriter(to), bufio.NewReader(io.LimitReader(f, length))
	for row := int64(0); ; {
		for len(runs) > 0 && row >= runs[0].First+runs[0].Rows {
			runs = runs[1:]
		}
		piece, err := lines.ReadSlice('\n')
		if len(runs) == 0 || row < runs[0].First {
			n, werr := out.Write(piece)
			size += int64(n)
			if werr != nil {
				return 0, werr
			}
		}
		switch {
		case err == nil:
			row++
		case err == io.EOF:
			return size, out.Flush()
		case !errors.Is(err, bufio.ErrBufferFull):
			return 0, err
		}
	}
}

// leaveOutOpen notes the keys of an open batch, and takes out of it what is elsewhere.
func (w *Writer) leaveOutOpen(ctx context.Context, b *batch) error {
	there, err := w.keys.flush(ctx, b.id)
	if err != nil || len(there) == 0 {
		return err
	}
	size, err := w.leaveOut(sealed{b.target, b.id, b.path}, b.length, there)
	if err != nil {
		return err
	}
	b.length, b.thinned, b.uncut = size, true, false
	w.keys.out(b.id)
	return nil
}

// dropOwn removes the ready batch of an insert that is elsewhere.
func (w *Writer) dropOwn(b sealed) error {
	if err := errors.Join(durable.Remove(b.path), durable.Remove(sidecarOf(b.path))); err != nil {
		return fmt.Errorf("remove batch %s, which another node has: %w", b.batch, err)
	}
	w.metrics.replayed(b.destination)
	w.keys.out(b.batch)
	return nil
}
