package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Sum is how a blob is checked that has come: by the hash that it must have.
type Sum struct {
	Name string
	Hash hash.Hash // nil: there is none to compare with
	Want []byte
}

// download is a blob that arrives.
type download struct {
	body   io.ReadCloser
	w      *Watch
	length int64
	come   int64 // bytes of it
	sum    Sum
	err    error // how it ended
}

// Download gives the blob that body is, which must have length bytes and the sum. It ends with io.EOF only when all of it has
// come. Closing it ends the watch.
func Download(w *Watch, body io.ReadCloser, length int64, sum Sum) io.ReadCloser {
	w.Rest()
	return &download{body: body, w: w, length: length, sum: sum}
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if d.err != nil || len(p) == 0 {
		return 0, d.err
	}
	d.w.Moved()
	n, err := d.body.Read(p)
	d.w.Rest()
	d.come += int64(n)
	if d.sum.Hash != nil {
		_, _ = d.sum.Hash.Write(p[:n]) // a hash takes all
	}
	switch {
	case errors.Is(err, io.EOF):
		d.err = d.whole()
	case err != nil:
		d.err = d.w.Because(err)
	}
	return n, d.err
}

// whole gives io.EOF when all of the blob has come.
func (d *download) whole() error {
	if d.come != d.length {
		return fmt.Errorf("the blob is cut: %d of its %d bytes have come: %w", d.come, d.length, io.ErrUnexpectedEOF)
	}
	if d.sum.Hash != nil {
		if got := d.sum.Hash.Sum(nil); !bytes.Equal(got, d.sum.Want) {
			return fmt.Errorf("the blob is damaged: its %s is %x, was %x", d.sum.Name, got, d.sum.Want)
		}
	}
	return io.EOF
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.w.End()
	return d.body.Close()
}
