package s3

import (
	"crypto/md5" //nolint:gosec // the checksum that every S3 store knows; it keeps no secret
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// md5Field is the field of an object's own metadata that holds its MD5.
const md5Field = "md5"

// download is a blob that arrives. It ends with io.EOF only when all of it did.
type download struct {
	body io.ReadCloser
	w    *watch
	left int64     // bytes that are still to come
	sum  hash.Hash // of what has come; nil when there is nothing to compare it with
	want string    // the sum of the whole blob
	err  error     // how it ended
}

func newDownload(out *awss3.GetObjectOutput, w *watch) (*download, error) {
	if out.ContentLength == nil {
		defer w.end()
		return nil, errors.Join(errors.New("the answer has no length, so a part of it would look whole"), out.Body.Close())
	}
	d := &download{body: out.Body, w: w, left: *out.ContentLength}
	if d.want = out.Metadata[md5Field]; d.want != "" {
		d.sum = md5.New() //nolint:gosec // see above
	}
	return d, nil
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if d.err != nil || len(p) == 0 {
		return 0, d.err
	}
	d.w.moved()
	n, err := d.body.Read(p)
	d.w.rest()
	d.left -= int64(n)
	if d.sum != nil {
		d.sum.Write(p[:n])
	}
	switch {
	case errors.Is(err, io.EOF):
		d.err = d.whole()
	case err != nil:
		d.err = d.w.because(err)
	}
	return n, d.err
}

// whole gives io.EOF when all of the blob has come.
func (d *download) whole() error {
	if d.left != 0 {
		return fmt.Errorf("the blob is cut: %d bytes of it are missing: %w", d.left, io.ErrUnexpectedEOF)
	}
	if d.sum != nil {
		if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.want {
			return fmt.Errorf("the blob is damaged: its MD5 is %s, was %.40q", got, d.want)
		}
	}
	return io.EOF
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.w.end()
	return d.body.Close()
}
