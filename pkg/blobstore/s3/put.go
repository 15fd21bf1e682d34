package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the checksum that every S3 store knows; it keeps no secret
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
)

// A Put holds at most atOnce + 1 parts in memory: those on their way, and the one that is being read.
const (
	partSize = 8 << 20 // a smaller blob goes in one request; S3 wants 5 MiB at least
	maxParts = 10_000  // S3's own cap
	atOnce   = 2       // parts on their way
)

// Put implements blobstore.Store.
func (s *store) Put(ctx context.Context, key string, r io.Reader) error {
	name, err := s.object(key)
	if err != nil {
		return err
	}
	size := partSizeOf(r)
	buf := s.buffer(size)
	n, err := fill(blobstore.Reader(ctx, r), buf)
	switch {
	case err == nil: // there may be more
		u := &upload{store: s, name: name, size: size, whole: crc32.NewIEEE()}
		err = u.put(ctx, buf, r)
	case errors.Is(err, errEnd):
		err = s.putObject(ctx, name, buf[:n])
		s.release(buf)
	}
	return s.failed("put", key, err)
}

// partSizeOf gives the size of the parts of r, all of them but the last of one size, as some stores want it. Files that
// would have too many get larger ones.
func partSizeOf(r io.Reader) int {
	f, ok := r.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return partSize
	}
	info, err := f.Stat()
	if err != nil || info.Size() <= partSize*maxParts {
		return partSize
	}
	return int((info.Size() + maxParts - 1) / maxParts)
}

func (s *store) buffer(size int) []byte {
	if size != partSize {
		return make([]byte, size)
	}
	return *s.parts.Get().(*[]byte)
}

func (s *store) release(buf []byte) {
	if cap(buf) == partSize {
		buf = buf[:partSize]
		s.parts.Put(&buf)
	}
}

// errEnd says that a reader has come to its end. It is not io.EOF, or a reader's own mistake could look like the end.
var errEnd = errors.New("end")

// fill reads until buf is full, or gives errEnd.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		switch {
		case err == io.EOF: //nolint:errorlint // a reader that ends says io.EOF itself
			return n, errEnd
		case err != nil:
			return n, err
		}
	}
	return n, nil
}

// sums is how the store checks that a body has come whole: by the first or the second.
type sums struct {
	md5, crc32 *string
	fields     map[string]string // what a blob that goes in one request keeps of it, if the store itself would keep nothing
}

func (s *store) sumsOf(body []byte) sums {
	if !s.md5 {
		return sums{crc32: crcText(crc32.ChecksumIEEE(body))}
	}
	sum := md5.Sum(body) //nolint:gosec // see above
	text := base64.StdEncoding.EncodeToString(sum[:])
	return sums{md5: &text, fields: map[string]string{md5Field: hex.EncodeToString(sum[:])}}
}

func crcText(sum uint32) *string {
	text := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
	return &text
}

// putObject sends a blob in one request.
func (s *store) putObject(ctx context.Context, name *string, blob []byte) error {
	w := newWatch(ctx, s.stall)
	defer w.end()
	sums := s.sumsOf(blob)
	_, err := s.client.PutObject(w.ctx, &awss3.PutObjectInput{Bucket: &s.bucket, Key: name, Body: newBody(blob, w),
		ContentMD5: sums.md5, ChecksumCRC32: sums.crc32, Metadata: sums.fields})
	return w.because(err)
}

// body is what a request sends. It tells the watch when the transport asks for more.
type body struct {
	r *bytes.Reader
	w *watch
}

func newBody(b []byte, w *watch) *body { return &body{bytes.NewReader(b), w} }

func (b *body) Read(p []byte) (int, error) {
	b.w.moved()
	return b.r.Read(p)
}

func (b *body) Seek(offset int64, whence int) (int64, error) { return b.r.Seek(offset, whence) }
