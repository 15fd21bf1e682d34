package httpapi

import (
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
	body, err := s.smallBody(w, r)
	if err != nil {
		return err
	}
	in := queryBody{Query: string(body)}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t == "application/json" {
		in = queryBody{}
		if err := readJSON(body, &in, `{"query": "select $n", "params": {"n": 1}}`); err != nil {
			return err
		}
	}
	return s.answer(w, r, in, r.URL.Query())
}

// smallBody reads a body of at most maxSQL bytes.
func (s *Server) smallBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(&wire{r: r.Body, answer: w.Header()}, maxSQL+1))
	if err == nil && len(body) > maxSQL {
		err = fault.New(fault.TooLarge, "query_too_large", "the query is longer than %d bytes", maxSQL)
	}
	return body, err
}

// asking is a query with all that its answer depends on.
type asking struct {
	destination string
	sql         string
	args        []any
	format      result.Format
	status      int // of an answer; 0 is 200
}

// answer runs a query of the caller's and streams its rows.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, in queryBody, q url.Values) error {
	if strings.TrimSpace(in.Query) == "" {
		return noQuery()
	}
	params, err := withURL(in.Params, q)
	if err != nil {
		return err
	}
	args, err := params.Args()
	if err != nil {
		return err
	}
	format, err := result.FormatOf(q.Get("format"), r.Header.Get("Accept"))
	if err != nil {
		return err
	}
	return s.send(w, r, asking{destination: callOf(r.Context()).grant.Destination, sql: in.Query, args: args, format: format})
}

// send runs a query and streams its rows.
func (s *Server) send(w http.ResponseWriter, r *http.Request, a asking) error {
	return s.stream(w, r, a.format, a.status, func(out io.Writer) (int64, error) {
		return s.deps.Query.Run(r.Context(), a.destination, a.sql, a.args, a.format, out)
	})
}

// stream sends the rows that write encodes in the format f, and counts; their end has the trailers.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, f result.Format, status int, write func(io.Writer) (int64, error)) error {
	c, coded := s.announce(w, r, f)
	out := &stream{to: &sender{w: w, rc: http.NewResponseController(w), timeout: s.cfg.WriteTimeout, status: status}}
	if coded {
		out.coder = c.take(out.to)
		defer c.put(out.coder)
	}
	rows, err := write(out)
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set(rowsTrailer, strconv.FormatInt(rows, 10))
	h.Set(statusTrailer, "complete")
	return nil
}

// announce sets the headers of an answer in the format f, and gives the coding that it goes in, if any.
func (s *Server) announce(w http.ResponseWriter, r *http.Request, f result.Format) (c coding, coded bool) {
	h := w.Header()
	h.Set("Content-Type", f.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Trailer", rowsTrailer+", "+statusTrailer)
	h.Set("Vary", "Accept-Encoding")
	if c, coded = s.codings.choose(strings.Join(r.Header["Accept-Encoding"], ",")); coded {
		h.Set("Content-Encoding", c.name)
	}
	return c, coded
}
