package s3

import (
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
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
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
	parts := s.parts
	if size := partSizeOf(r); size != partSize {
		parts = transfer.NewPieces(size)
	}
	first := parts.Get()
	n, err := transfer.Fill(blobstore.Reader(ctx, r), first)
	switch {
	case err == nil: // there may be more
		u := &upload{store: s, name: name, parts: parts, whole: crc32.NewIEEE()}
		return s.failed("put", key, u.put(ctx, first, r))
	case errors.Is(err, transfer.ErrEnd):
		err = s.putObject(ctx, name, first[:n])
	}
	parts.Put(first)
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

// md5Field is the field of an object's own metadata that holds its MD5.
const md5Field = "md5"

// sumFrom gives the sum that a blob was put with.
func sumFrom(fields map[string]string) transfer.Sum {
	want, err := hex.DecodeString(fields[md5Field])
	if err != nil || len(want) != md5.Size {
		return transfer.Sum{} // the SDK itself looks at what AWS keeps
	}
	return transfer.Sum{Name: "MD5", Hash: md5.New(), Want: want} //nolint:gosec // see above
}

// putObject sends a blob in one request.
func (s *store) putObject(ctx context.Context, name *string, blob []byte) error {
	w := transfer.NewWatch(ctx, s.stall)
	defer w.End()
	sums := s.sumsOf(blob)
	out, err := s.client.PutObject(w.Context(), &awss3.PutObjectInput{Bucket: &s.bucket, Key: name, Body: w.Body(blob),
		ContentMD5: sums.md5, ChecksumCRC32: sums.crc32, Metadata: sums.fields})
	if err != nil {
		return w.Because(err)
	}
	if bareTag(out.ETag) == "" {
		return s.find(ctx, name, int64(len(blob)), nil)
	}
	return nil
}
