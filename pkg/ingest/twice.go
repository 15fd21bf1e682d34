package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
)

// eachOpen recovers the open batches, the newest first: what a later one has of an insert that failed before is known,
// then, when the earlier one's turn comes.
func (w *Writer) eachOpen() error {
	var list []sealed
	err := w.each(open, func(b sealed) error {
		list = append(list, b)
		return nil
	})
	for _, b := range slices.Backward(list) {
		if rerr := w.recoverOpen(b); rerr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", b.path, rerr))
		}
	}
	return err
}

// scanOpen scans an open batch up to its first insert that was stored again later, under the same idempotency key. That
// one had failed, and could not be cut off durably before the crash; so had all that come after it, as a batch takes no
// more inserts when one group of them failed.
func (w *Writer) scanOpen(b sealed) (ndjson.Scanned, error) {
	found, err := scanFile(b.path, ndjson.Scan)
	if err != nil {
		return found, err
	}
	if w.cfg.Shared {
		return found, nil // it may have been stored again by another node, and then all here was acknowledged: leaveOut sees to it
	}
	list, err := keyedIn(b.destination, b.batch, found.Keyed)
	if err != nil {
		return found, err
	}
	for i, in := range list {
		again, err := w.storedAgain(in)
		if err != nil {
			return found, err
		}
		if again {
			return scanRows(b.path, found.Keyed[i].First, found.Size)
		}
	}
	return found, nil
}

// storedAgain reports whether the same insert is known to be in a later batch. After the window it would be another
// insert, which the client meant to be stored.
func (w *Writer) storedAgain(in *control.KeyedInsert) (bool, error) {
	known, err := w.keys.store.Find(context.Background(), in.Destination, in.Key)
	if errors.Is(err, fault.NotFound) {
		return false, nil
	}
	return known.Body == in.Body && known.Batch > in.Batch && known.Made.Before(in.Made.Add(w.cfg.KeyWindow)), err
}

// scanRows scans the first rows of a file of that size, as if the others were torn.
func scanRows(path string, rows, size int64) (found ndjson.Scanned, err error) {
	f, err := os.Open(path)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end := int64(0)
	lines := bufio.NewReader(f)
	for rows > 0 {
		piece, err := lines.ReadSlice('\n')
		end += int64(len(piece))
		switch {
		case err == nil:
			rows--
		case !errors.Is(err, bufio.ErrBufferFull):
			return found, err
		}
	}
	found, err = ndjson.Scan(io.NewSectionReader(f, 0, end))
	found.Size = size
	return found, err
}
