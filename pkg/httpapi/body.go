package httpapi

import (
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// maxWindow caps what a zstd stream may make its decoder hold in memory.
const maxWindow = 8 << 20

// body gives the request's body decompressed, with both caps held. The caller closes it.
func (s *Server) body(w http.ResponseWriter, r *http.Request) (io.ReadCloser, error) {
	if r.ContentLength > s.cfg.MaxBody {
		return nil, tooLarge(s.cfg.MaxBody, "as sent")
	}
	sent := &wire{r: http.MaxBytesReader(w, r.Body, s.cfg.MaxBody), limit: s.cfg.MaxBody, answer: w.Header()}
	var raw io.ReadCloser = sent
	if r.ContentLength < 0 || r.ContentLength > rollingFrom {
		raw = &rolling{ReadCloser: raw, rc: http.NewResponseController(w), timeout: s.cfg.ReadTimeout}
	}
	// Lines of the same header are one list, so that a second coding is not overlooked.
	switch coding := strings.ToLower(strings.TrimSpace(strings.Join(r.Header["Content-Encoding"], ", "))); coding {
	case "", "identity":
		return raw, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, undecodable(err, "gzip")
		}
		return &decoded{r: z, close: z.Close, sent: sent, coding: "gzip", left: s.cfg.MaxDecoded, limit: s.cfg.MaxDecoded}, nil
	case "zstd":
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, undecodable(err, "zstd")
		}
		c := z.IOReadCloser()
		return &decoded{r: c, close: c.Close, sent: sent, coding: "zstd", left: s.cfg.MaxDecoded, limit: s.cfg.MaxDecoded}, nil
	default:
		return nil, fault.New(fault.Unsupported, "unknown_content_encoding",
			"Content-Encoding %.40q is not spoken here: send gzip, zstd or none", coding)
	}
}

func tooLarge(limit int64, what string) error {
	return fault.New(fault.TooLarge, "body_too_large", "the body is larger than %d bytes %s", limit, what)
}

func undecodable(err error, coding string) error {
	if fault.Of(err) != fault.Internal {
		return err
	}
	return fault.New(fault.Invalid, "bad_content_encoding", "the body is not %s: %v", coding, err)
}

// wire reads the body as sent, and says what an error of the connection means for the caller.
type wire struct {
	r      io.Reader
	limit  int64
	answer http.Header // of the answer to it, if the connection shall end with a body that fails
	err    error       // the first one, which decoders do not always pass on
}

func (b *wire) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	if b.err == nil {
		b.err = b.failure(err)
		if b.answer != nil {
			b.answer.Set("Connection", "close") // nobody knows where the next request begins, though net/http may think so
		}
	}
	return n, b.err
}

func (b *wire) failure(err error) error {
	var large *http.MaxBytesError
	var netErr net.Error
	switch {
	case errors.As(err, &large):
		return tooLarge(b.limit, "as sent")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Invalid, "truncated_body", "the body ended before its announced length")
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout():
		return fault.New(fault.Invalid, "slow_body", "the body did not go on within the read timeout").Because(err)
	case errors.As(err, &netErr):
		return fault.New(fault.Canceled, "client_gone", "the client stopped sending").Because(err)
	default:
		return fault.New(fault.Invalid, "bad_transfer_encoding", "the body is not well chunked: %v", err)
	}
}

// Close does nothing: the server closes what it read from.
func (b *wire) Close() error { return nil }

// rollingFrom is the body size from which the read deadline moves on with each piece: a large body may take long, a
// silent client may not.
const rollingFrom = 1 << 20

// rolling moves the connection's read deadline on before each read.
type rolling struct {
	io.ReadCloser
	rc      *http.ResponseController
	timeout time.Duration
}

func (b *rolling) Read(p []byte) (int, error) {
	if b.timeout > 0 {
		_ = b.rc.SetReadDeadline(time.Now().Add(b.timeout)) // a connection without deadlines is a test's
	}
	return b.ReadCloser.Read(p)
}

// decoded reads a decompressed body up to its cap.
type decoded struct {
	r      io.Reader
	close  func() error
	sent   *wire // what r decompresses
	coding string
	left   int64
	limit  int64
}

func (d *decoded) Read(p []byte) (int, error) {
	if d.left < 0 {
		return 0, tooLarge(d.limit, "after decompression")
	}
	if int64(len(p)) > d.left+1 {
		p = p[:d.left+1] // one byte past the cap tells a body of just that size from a larger one
	}
	n, err := d.r.Read(p)
	d.left -= int64(n)
	if d.left < 0 {
		return 0, tooLarge(d.limit, "after decompression")
	}
	switch {
	case err != nil && d.sent.err != nil:
		err = d.sent.err
	case err != nil && err != io.EOF:
		err = undecodable(err, d.coding)
	}
	return n, err
}

// Close frees the decoder.
func (d *decoded) Close() error { return d.close() }
