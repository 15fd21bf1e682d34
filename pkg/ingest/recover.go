package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// recover takes up what the last process left. It runs before anything else has the folder.
func (w *Writer) recover() error {
	return errors.Join(w.clearIncoming(), w.clearSidecars(), w.each(ready, w.recoverReady), w.eachOpen())
}

// clearSidecars removes the sidecars that a crash left without their batches.
func (w *Writer) clearSidecars() error {
	return filepath.WalkDir(filepath.Join(w.cfg.Dir, ready), func(path string, e fs.DirEntry, err error) error {
		name, ours := strings.CutSuffix(path, sidecarSuffix)
		if err != nil || e.IsDir() || !ours {
			return err
		}
		if _, err := os.Stat(name + batchSuffix); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return durable.Remove(path)
	})
}

// clearIncoming removes the large inserts that did not arrive whole: nobody was told that they had.
func (w *Writer) clearIncoming() error {
	entries, err := os.ReadDir(filepath.Join(w.cfg.Dir, incoming))
	if err != nil {
		return err
	}
	for _, e := range entries {
		err = errors.Join(err, durable.Remove(filepath.Join(w.cfg.Dir, incoming, e.Name())))
	}
	return err
}

// each calls do for every batch file in the folder state.
func (w *Writer) each(state string, do func(sealed) error) error {
	root := filepath.Join(w.cfg.Dir, state)
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, batchSuffix) {
			return err
		}
		b, ok := parsePath(root, path)
		if !ok {
			w.log.Warn("a file that is no batch is left alone", "path", path)
			return nil
		}
		if err := do(b); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
}

// parsePath reads <root>/<destination>/<table>/<batch>.ndjson.
func parsePath(root, path string) (sealed, bool) {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return sealed{}, false
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	if len(parts) != 3 {
		return sealed{}, false
	}
	table, err := schema.ParseTable(parts[1])
	if err != nil {
		return sealed{}, false
	}
	batch := strings.TrimSuffix(parts[2], batchSuffix)
	if _, err := ulid.ParseStrict(batch); err != nil {
		return sealed{}, false
	}
	return sealed{target{parts[0], table}, batch, path}, true
}

// recoverReady puts a ready batch on the shelf. When it is one insert's own, the insert's idempotency key may not have been
// noted; those of batches that inserts shared were.
func (w *Writer) recoverReady(b sealed) error {
	info, err := os.Stat(b.path)
	if err != nil {
		return err
	}
	s, err := readSidecar(b.path, info.Size())
	if err == nil && !s.Keyed {
		w.putUp(b, info.Size())
		return nil
	}
	found, err := scanFile(b.path, ndjson.ScanReady)
	if err != nil {
		return err
	}
	// The crash may have come before the file's name was durable, and whoever asks again is told that it is.
	if err := durable.SyncDir(filepath.Dir(b.path)); err != nil {
		return err
	}
	there, err := w.recoverKeys(b, found)
	if err != nil {
		return err
	}
	if len(there) > 0 && isOwn(found) { // a batch that inserts shared noted its keys before it was ready: it stays whole
		return w.dropOwn(b)
	}
	w.putUp(b, info.Size())
	return nil
}

// isOwn reports whether what was found is one keyed insert and nothing else.
func isOwn(found ndjson.Scanned) bool {
	return len(found.Keyed) == 1 && found.Keyed[0].First == 0 && found.Keyed[0].Rows == found.Rows
}

// recoverKeys notes the keyed inserts that were found in a batch, before anybody may send them again, and gives those that
// are known of another batch.
func (w *Writer) recoverKeys(b sealed, found ndjson.Scanned) (there map[place]control.KeyedInsert, err error) {
	list, err := keyedIn(b.destination, b.batch, found.Keyed)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return w.keys.remember(context.Background(), list...)
}

func (w *Writer) putUp(b sealed, bytes int64) {
	w.metrics.waiting.Inc()
	w.shelf.put(b, bytes, createdOf(b.batch))
}

// recoverOpen keeps the whole inserts of an open batch, puts what comes after them aside, but for zeros that were written
// ahead, and makes it ready.
func (w *Writer) recoverOpen(b sealed) error {
	found, err := w.scanOpen(b)
	if err != nil {
		return err
	}
	if found.Good < found.Size {
		if err := w.cutTail(b, found); err != nil {
			return err
		}
	}
	if found.Good == 0 {
		return durable.Remove(b.path)
	}
	dir, err := w.folders.make(ready, b.target)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, b.batch+batchSuffix)
	s := sidecar{Rows: found.Rows, Bytes: found.Good, Seen: found.Seen, Parts: sorted(found.Parts), Created: createdOf(b.batch)}
	if err := syncFile(b.path); err != nil {
		return err
	}
	there, err := w.recoverKeys(b, found) // not before its rows are durable
	if err != nil {
		return err
	}
	if len(there) > 0 {
		if _, err := w.leaveOut(b, found.Good, there); err != nil {
			return err
		}
		return w.recoverOpen(b)
	}
	if err := errors.Join(s.write(path), durable.Rename(b.path, path)); err != nil {
		return err
	}
	w.metrics.sealed.WithLabelValues("recovered").Inc()
	w.log.Info("open batch recovered", "batch", b.batch, "destination", b.destination, "table", b.table.String(), "rows", found.Rows)
	b.path = path
	w.putUp(b, s.Bytes)
	return nil
}

func scanFile(path string, scan func(io.Reader) (ndjson.Scanned, error)) (found ndjson.Scanned, err error) {
	f, err := os.Open(path)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return scan(f)
}

// cutTail copies what follows the last whole insert to the folder aside, and then cuts it off. Zeros at the end are what
// was written ahead of the rows, or what a power loss left of them: nothing to keep.
func (w *Writer) cutTail(b sealed, found ndjson.Scanned) (err error) {
	f, err := os.OpenFile(b.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := endOf(f, found.Good, found.Size)
	if err != nil {
		return err
	}
	if end > found.Good {
		if err := w.putAside(b, io.NewSectionReader(f, found.Good, end-found.Good)); err != nil {
			return err
		}
	}
	return errors.Join(f.Truncate(found.Good), f.Sync())
}

// endOf gives where the zeros begin that f[from:to] ends with.
func endOf(f io.ReaderAt, from, to int64) (int64, error) {
	buf := make([]byte, chunkSize)
	for to > from {
		piece := buf[:min(int64(len(buf)), to-from)]
		if _, err := f.ReadAt(piece, to-int64(len(piece))); err != nil {
			return 0, err
		}
		if kept := len(bytes.TrimRight(piece, "\x00")); kept > 0 {
			return to - int64(len(piece)-kept), nil
		}
		to -= int64(len(piece))
	}
	return from, nil
}

// putAside copies the tail of b's file to the folder aside.
func (w *Writer) putAside(b sealed, from *io.SectionReader) error {
	name := filepath.Join(w.cfg.Dir, aside, b.destination+"~"+b.table.String()+"~"+b.batch+".torn")
	tail, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(tail, from)
	if err = errors.Join(err, tail.Sync(), tail.Close(), durable.SyncDir(filepath.Dir(name))); err != nil {
		return err
	}
	w.metrics.torn.Inc()
	w.log.Warn("what follows the last whole insert was put aside", "batch", b.batch, "bytes", from.Size(), "path", name)
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	return errors.Join(durable.Data(f), f.Close())
}
