package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
)

// The trailers of a complete answer. An answer that ends without them, or without its last chunk, is cut.
const (
	rowsTrailer   = "X-Scratch-Rows"
	statusTrailer = "X-Scratch-Status"
)

// maxSQL is the longest query text, in bytes.
const maxSQL = 1 << 20

func (s *Server) queryByURL(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	sql := q.Get("query")
	if sql == "" {
		sql = q.Get("q")
	}
	return s.answer(w, r, sql, q)
}

func (s *Server) queryByBody(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(&wire{r: r.Body, answer: w.Header()}, maxSQL+1))
	if err != nil {
		return err
	}
	if len(body) > maxSQL {
		return fault.New(fault.TooLarge, "query_too_large", "the query is longer than %d bytes", maxSQL)
	}
	sql := string(body)
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t == "application/json" {
		if sql, err = queryOfJSON(body); err != nil {
			return err
		}
	}
	return s.answer(w, r, sql, r.URL.Query())
}

func queryOfJSON(body []byte) (string, error) {
	var in struct {
		Query string `json:"query"`
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	err := d.Decode(&in)
	if err == nil && d.Decode(new(any)) != io.EOF {
		err = errors.New("there is more after it")
	}
	if err != nil {
		return "", fault.New(fault.Invalid, "invalid_json", `the body must be JSON like {"query": "select 1"}: %v`, err)
	}
	return in.Query, nil
}

// answer runs sql and streams its rows.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, sql string, q url.Values) error {
	if strings.TrimSpace(sql) == "" {
		return fault.New(fault.Invalid, "no_query", "no query: send SQL as ?query= or as the body of a POST")
	}
	format, err := result.FormatOf(q.Get("format"), r.Header.Get("Accept"))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", format.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Trailer", rowsTrailer+", "+statusTrailer)
	out := &stream{w: w, rc: http.NewResponseController(w), timeout: s.cfg.WriteTimeout}
	rows, err := s.deps.Query.Run(r.Context(), callOf(r.Context()).grant.Destination, sql, nil, format, out)
	if err != nil {
		return err
	}
	h.Set(rowsTrailer, strconv.FormatInt(rows, 10))
	h.Set(statusTrailer, "complete")
	return nil
}

// stream sends an answer piece by piece: the first at once, so that a reader sees that rows are coming, and each with
// a deadline of its own, so that a reader who stalls ends the query.
type stream struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	begun   bool
}

func (s *stream) Write(p []byte) (int, error) {
	if s.timeout > 0 {
		_ = s.rc.SetWriteDeadline(time.Now().Add(s.timeout)) // a connection without deadlines is a test's
	}
	n, err := s.w.Write(p)
	if err == nil && !s.begun {
		s.begun = true
		err = s.rc.Flush()
		if errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	if err != nil {
		return n, fault.New(fault.Canceled, "client_gone", "the client stopped reading").Because(err)
	}
	return n, nil
}
