package gcs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
)

// pieceSize is of the pieces that a blob is sent in, one after the other: what a Put holds in memory. A smaller blob goes in
// one request. It is a multiple of 256 KiB, as the store wants it.
const pieceSize = 8 << 20

// Put implements blobstore.Store.
func (s *store) Put(ctx context.Context, key string, r io.Reader) error {
	name, err := s.object(key)
	if err != nil {
		return err
	}
	r = blobstore.Reader(ctx, r)
	first := s.pieces.Get()
	defer s.pieces.Put(first)
	n, err := transfer.Fill(r, first)
	switch {
	case err == nil: // there may be more
		err = s.putPieces(ctx, name, first, r)
	case errors.Is(err, transfer.ErrEnd):
		err = s.putObject(ctx, name, first[:n])
	}
	return s.failed("put", key, err)
}

// object is what the store says of an object, and is told of it.
type object struct {
	Name   string `json:"name,omitempty"`
	CRC32C string `json:"crc32c,omitempty"`
}

// putObject sends a blob in one request, with the sum that the store holds it to.
func (s *store) putObject(ctx context.Context, name string, blob []byte) error {
	w := transfer.NewWatch(ctx, s.stall)
	defer w.End()
	sum := crcText(crc32.Checksum(blob, castagnoli()))
	head, tail, kind, err := related(object{Name: name, CRC32C: sum})
	if err != nil {
		return err
	}
	open := func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(head), w.Body(blob), strings.NewReader(tail))), nil
	}
	body, err := open()
	if err != nil {
		return err
	}
	answer, err := s.do(w.Context(), request{method: http.MethodPost, url: s.uploads + "?uploadType=multipart&fields=name,crc32c",
		header: http.Header{"Content-Type": {kind}}, body: body, again: open, length: int64(len(head) + len(blob) + len(tail))})
	if err != nil {
		return w.Because(err)
	}
	return w.Because(stored(answer, name, sum))
}

// related gives what stands before and after the bytes of a blob in a request that tells of it too.
func related(o object) (head []byte, tail, kind string, err error) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	about, err := m.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json"}})
	if err == nil {
		err = json.NewEncoder(about).Encode(o)
	}
	if err == nil {
		_, err = m.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/octet-stream"}})
	}
	return b.Bytes(), "\r\n--" + m.Boundary() + "--\r\n", "multipart/related; boundary=" + m.Boundary(), err
}

// stored reads the answer about the new object, which must have the sum. An answer that tells nothing of the object is not the
// store's.
func stored(answer *http.Response, name, sum string) error {
	var o object
	err := decode(answer.Body, &o)
	switch {
	case err != nil:
		return fmt.Errorf("the answer about the new object: %w", err)
	case o.CRC32C == sum, o.CRC32C == "" && o.Name == name: // an emulator may know no sums
		return nil
	case o.CRC32C == "":
		return errors.New("the answer does not tell of the new object")
	default:
		return fmt.Errorf("%w: the store has it with the CRC-32C %.20q, not %q", errDamaged, o.CRC32C, sum)
	}
}

// castagnoli is the polynomial of the store's sums.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func crcText(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// sumFrom gives the sum that the store says a blob has, if it does: X-Goog-Hash: crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==
func sumFrom(header http.Header) transfer.Sum {
	for _, line := range header.Values("X-Goog-Hash") {
		for part := range strings.SplitSeq(line, ",") {
			text, ok := strings.CutPrefix(strings.TrimSpace(part), "crc32c=")
			if want, err := base64.StdEncoding.DecodeString(text); ok && err == nil {
				return transfer.Sum{Name: "CRC-32C", Hash: crc32.New(castagnoli()), Want: want}
			}
		}
	}
	return transfer.Sum{}
}
