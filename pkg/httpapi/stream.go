package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// stream sends an answer piece by piece: the first at once, so that a reader sees that rows are coming, and each with
// a deadline of its own, so that a reader who stalls ends the query.
type stream struct {
	to    *sender
	coder coder // nil when the answer goes as it is
	begun bool
}

// Write takes the next piece.
func (s *stream) Write(p []byte) (n int, err error) {
	if s.coder == nil {
		n, err = s.to.Write(p)
	} else {
		n, err = s.coder.Write(p)
	}
	if err == nil && !s.begun {
		s.begun = true
		if s.coder != nil {
			err = s.coder.Flush()
		}
		if err == nil {
			err = s.to.flush()
		}
	}
	return n, err
}

// Close ends a whole answer. For its end, which may be only the server's last chunk, the reader has the time of a piece,
// however long ago the last row was.
func (s *stream) Close() error {
	s.to.extend()
	if s.coder == nil {
		return nil
	}
	return s.coder.Close()
}

// sender writes to the client.
type sender struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration // of one piece
	status  int           // to be sent before the first piece; 0 is 200
}

var _ io.Writer = (*sender)(nil)

func (s *sender) Write(p []byte) (int, error) {
	s.extend()
	if s.status != 0 {
		s.w.WriteHeader(s.status)
		s.status = 0
	}
	n, err := s.w.Write(p)
	return n, gone(err)
}

// extend gives the reader the time to take one more piece.
func (s *sender) extend() {
	if s.timeout > 0 {
		_ = s.rc.SetWriteDeadline(time.Now().Add(s.timeout)) // a connection without deadlines is a test's
	}
}

func (s *sender) flush() error {
	if err := s.rc.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return gone(err)
	}
	return nil
}

func gone(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Canceled, "client_gone", "the client stopped reading").Because(err)
}
