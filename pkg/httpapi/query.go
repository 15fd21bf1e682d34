package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

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
	return s.answer(w, r, queryBody{Query: sql}, q)
}

func (s *Server) queryByBody(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(&wire{r: r.Body, answer: w.Header()}, maxSQL+1))
	if err != nil {
		return err
	}
	if len(body) > maxSQL {
		return fault.New(fault.TooLarge, "query_too_large", "the query is longer than %d bytes", maxSQL)
	}
	in := queryBody{Query: string(body)}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t == "application/json" {
		if in, err = queryOfJSON(body); err != nil {
			return err
		}
	}
	return s.answer(w, r, in, r.URL.Query())
}

// errMore says that something follows what was to be read.
var errMore = errors.New("there is more after it")

// answer runs a query and streams its rows.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, in queryBody, q url.Values) error {
	if strings.TrimSpace(in.Query) == "" {
		return fault.New(fault.Invalid, "no_query", "no query: send SQL as ?query= or as the body of a POST")
	}
	args, err := paramsOf(q, in.Params)
	if err != nil {
		return err
	}
	format, err := result.FormatOf(q.Get("format"), r.Header.Get("Accept"))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", format.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Trailer", rowsTrailer+", "+statusTrailer)
	out := &stream{to: &sender{w: w, rc: http.NewResponseController(w), timeout: s.cfg.WriteTimeout}}
	h.Set("Vary", "Accept-Encoding")
	if c, ok := s.codings.choose(strings.Join(r.Header["Accept-Encoding"], ",")); ok {
		h.Set("Content-Encoding", c.name)
		out.coder = c.take(out.to)
		defer c.put(out.coder)
	}
	rows, err := s.deps.Query.Run(r.Context(), callOf(r.Context()).grant.Destination, in.Query, args, format, out)
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return err
	}
	h.Set(rowsTrailer, strconv.FormatInt(rows, 10))
	h.Set(statusTrailer, "complete")
	return nil
}
