package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/result"
)

// restPrefix begins the paths that PostgREST's clients use.
const restPrefix = "/api/rest/"

// rest answers a PostgREST request for a table's rows.
func (s *Server) rest(w http.ResponseWriter, r *http.Request) error {
	table, err := tableOf(r)
	if err != nil {
		return err
	}
	dest := callOf(r.Context()).grant.Destination
	stmt, err := s.deps.Tables.Select(r.Context(), dest, table, postgrest.Request{Query: r.URL.RawQuery, Range: first(r.Header, "Range"),
		RangeUnit: first(r.Header, "Range-Unit"), Prefer: strings.Join(r.Header["Prefer"], ",")})
	if err != nil {
		return err
	}
	a := asking{destination: dest, sql: stmt.SQL, args: stmt.Args}
	if stmt.Count != "" {
		if a.status, err = s.counted(w, r, a, stmt); err != nil {
			return err
		}
	}
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, singleObject) {
		return s.restObject(w, r, a)
	}
	if a.format, err = result.FormatOf(r.URL.Query().Get("format"), accept); err != nil {
		return err
	}
	if r.Method == http.MethodHead && stmt.Count != "" {
		s.announce(w, r, a.format)
		w.WriteHeader(a.status) // the count has tried the filters; of many rows nobody wants more
		return nil
	}
	return s.send(w, r, a)
}

// counted counts the rows that match and sets Content-Range. It gives the answer's status: 206 when it will not have all of
// them. An offset of just as many as match leaves none, as in PostgREST; one of more is refused.
func (s *Server) counted(w http.ResponseWriter, r *http.Request, a asking, stmt postgrest.Statement) (status int, err error) {
	var text capped
	csvFormat, err := result.FormatOf("csv", "")
	if err != nil {
		return 0, err
	}
	if _, err := s.deps.Query.Run(r.Context(), a.destination, stmt.Count, a.args, csvFormat, &text); err != nil {
		return 0, err
	}
	_, number, _ := strings.Cut(strings.TrimSpace(text.String()), "\r\n")
	total, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the number of rows: %w", err)
	}
	rows := max(total-stmt.Range.Offset, 0)
	if stmt.Range.Limit != postgrest.NoLimit {
		rows = min(rows, stmt.Range.Limit)
	}
	w.Header().Set("Content-Range", stmt.Range.ContentRange(rows, total))
	switch {
	case stmt.Range.Offset > total:
		return 0, fault.New(fault.Invalid, "range_not_satisfiable", "an offset of %d was asked for, and there are %d rows", stmt.Range.Offset, total).Because(errRange)
	case rows < total:
		return http.StatusPartialContent, nil
	}
	return http.StatusOK, nil
}

// singleObject is the media type of an answer that is one object, not a list.
const singleObject = "application/vnd.pgrst.object+json"

// restObject answers with the only row as an object, and refuses when there is none or more.
func (s *Server) restObject(w http.ResponseWriter, r *http.Request, a asking) error {
	var text capped
	lines, err := result.FormatOf("ndjson", "")
	if err != nil {
		return err
	}
	rows, err := s.deps.Query.Run(r.Context(), a.destination, a.sql, a.args, lines, &text)
	if text.full || err == nil && rows != 1 {
		return fault.New(fault.Invalid, "not_one_row", "one row was asked for as an object, and there is another number of them").Because(errSingle)
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", singleObject)
	h.Set("Cache-Control", "no-store")
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, err = w.Write(bytes.TrimRight(text.Bytes(), "\n"))
	return gone(err)
}
