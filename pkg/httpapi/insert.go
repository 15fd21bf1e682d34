package httpapi

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

type insertReply struct {
	Rows    int      `json:"rows"`
	Receipt string   `json:"receipt"`
	State   string   `json:"state,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	RowIDs  []string `json:"row_ids,omitempty"`
}

// insertOptions is what an insert's URL asks for.
type insertOptions struct {
	ingest.Options
	loaded  bool // answer when the rows can be queried
	timeout time.Duration
}

// insert takes rows for the table in the path.
func (s *Server) insert(w http.ResponseWriter, r *http.Request) error {
	table, err := tableOf(r)
	if err != nil {
		return err
	}
	o, _, err := s.parseInsert(r)
	if err != nil {
		return err
	}
	return s.insertInto(w, r, table, o)
}

// insertAnywhere takes rows for the table that the header names, or the URL's query, or else the body, which is an
// envelope then.
func (s *Server) insertAnywhere(w http.ResponseWriter, r *http.Request) (err error) {
	o, name, err := s.parseInsert(r)
	if err != nil {
		return err
	}
	if header := first(r.Header, tableHeader); header != "" {
		name = header
	}
	var table schema.Table
	if name != "" {
		if table, err = schema.ParseTable(name); err != nil {
			return err
		}
	}
	return s.insertInto(w, r, table, o)
}

// insertInto takes rows for the table, or, without one, for that of the envelope.
func (s *Server) insertInto(w http.ResponseWriter, r *http.Request, table schema.Table, o insertOptions) error {
	if s.deps.Writer == nil {
		return fault.New(fault.Busy, "uploads_off", "this server takes no rows: its uploads are switched off")
	}
	body, err := s.body(w, r)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // the rows were read whole or refused; closing only frees the decoder
	in, err := s.deps.Writer.Insert(r.Context(), callOf(r.Context()).grant.Destination, table, body, o.Options)
	if err != nil {
		return err
	}
	if in.Replayed {
		w.Header()[replayedHeader] = []string{"true"}
	}
	reply := insertReply{Rows: in.Rows, Receipt: in.Receipt, RowIDs: in.RowIDs}
	if !o.loaded || in.Rows == 0 {
		return writeInserted(w, &reply)
	}
	return s.answerLoaded(w, r, o.timeout, reply)
}

// tableOf reads the table's name in the path. The router goes by the path as it was sent where that differs from the usual
// escaping, else by the one that is unescaped already: then a '%' is a part of the name.
func tableOf(r *http.Request) (schema.Table, error) {
	name := chi.URLParam(r, "table")
	if r.URL.RawPath != "" {
		var err error
		if name, err = url.PathUnescape(name); err != nil {
			return schema.Table{}, fault.New(fault.Invalid, "bad_table_name", "the table's name in the path is not well escaped")
		}
	}
	return schema.ParseTable(name)
}

// answerLoaded waits until the rows can be queried: 200 then, 202 with the state when they are not there in time. The rows
// are accepted by now, so the client gets its receipt whatever happens: without one it would send them again.
func (s *Server) answerLoaded(w http.ResponseWriter, r *http.Request, timeout time.Duration, reply insertReply) error {
	rec, err := s.deps.Receipts.Wait(r.Context(), reply.Receipt, timeout)
	switch {
	case err != nil && r.Context().Err() != nil:
		return err // nobody reads the answer
	case errors.Is(err, fault.NotFound):
		// Nobody knows the receipt any more: the batch is dead and was dropped, or was loaded long ago.
	case err != nil: // the control store failed
		rec.State = cmp.Or(rec.State, transport.StateAccepted)
		s.log.WarnContext(r.Context(), "an insert was answered before it was known to be loaded", "receipt", reply.Receipt, "err", err)
	}
	reply.State, reply.Reason = rec.State, rec.Reason
	if rec.State == transport.StateLoaded {
		return writeJSON(w, http.StatusOK, reply)
	}
	return writeJSON(w, http.StatusAccepted, reply)
}

// writeInserted writes the plain reply, the hot path's, without reflection.
func writeInserted(w http.ResponseWriter, reply *insertReply) error {
	if len(reply.RowIDs) > 0 || reply.State != "" {
		return writeJSON(w, http.StatusOK, reply)
	}
	b := make([]byte, 0, 96)
	b = append(b, `{"rows":`...)
	b = strconv.AppendInt(b, int64(reply.Rows), 10)
	b = append(b, `,"receipt":"`...)
	b = append(b, reply.Receipt...)
	b = append(b, "\"}\n"...)
	w.Header()["Content-Type"] = jsonType // and nothing about caches, as nobody keeps the answer to a POST
	if _, err := w.Write(b); err != nil {
		return fault.New(fault.Canceled, "client_gone", "the client left before the answer").Because(err)
	}
	return nil
}

// jsonType is a header's value that every plain answer shares; net/http only reads it.
var jsonType = []string{"application/json"}

// The headers of inserts, in their canonical form.
const (
	tableHeader    = "X-Scratchdb-Table"
	flattenHeader  = "X-Scratchdb-Flatten"
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotent-Replayed" // of an answer that was given before
)

// parseInsert reads what the headers and the URL's query ask for, and gives the table that the query names.
func (s *Server) parseInsert(r *http.Request) (o insertOptions, table string, err error) {
	o = insertOptions{Options: ingest.Options{Ack: ingest.AckDisk}, timeout: s.cfg.WaitDefault}
	if o.Key, err = idempotencyKey(r.Header); err != nil {
		return o, "", err
	}
	mode := first(r.Header, flattenHeader)
	if r.URL.RawQuery != "" {
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return o, "", fault.New(fault.Invalid, "bad_parameter", "the URL's query is not well formed")
		}
		if err := s.parseInsertQuery(&o, q); err != nil {
			return o, "", err
		}
		table = q.Get("table")
		if mode == "" {
			mode = q.Get("flatten")
		}
	}
	o.Mode, err = flatten.ParseMode(mode)
	return o, table, err
}

// maxKey is the longest idempotency key.
const maxKey = 255

// idempotencyKey reads the header of that name: visible ASCII. Without the header it is empty.
func idempotencyKey(h http.Header) (string, error) {
	values := h[keyHeader]
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(c rune) bool { return c < '!' || c > '~' }) {
		return "", fault.New(fault.Invalid, "bad_idempotency_key", "Idempotency-Key must be one header of 1 to %d visible ASCII characters", maxKey)
	}
	return key, nil
}

func (s *Server) parseInsertQuery(o *insertOptions, q url.Values) (err error) {
	switch ack := q.Get("ack"); ack {
	case "", "disk":
	case "memory":
		o.Ack = ingest.AckMemory
	case "loaded":
		o.loaded = true
	default:
		return fault.New(fault.Invalid, "bad_parameter", "ack: %.40q is not one of memory, disk, loaded", ack)
	}
	if o.RowIDs, err = boolParam(q, "row_ids"); err != nil {
		return err
	}
	wait, err := boolParam(q, "wait")
	if err != nil {
		return err
	}
	o.loaded = o.loaded || wait
	o.Hurry = o.loaded
	if t := q.Get("timeout"); t != "" {
		if o.timeout, err = parseTimeout(t); err != nil {
			return err
		}
	}
	o.timeout = min(o.timeout, s.cfg.WaitMax)
	return nil
}

func boolParam(q url.Values, name string) (bool, error) {
	v := q.Get(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fault.New(fault.Invalid, "bad_parameter", "%s: %.40q is neither true nor false", name, v)
	}
	return b, nil
}

// parseTimeout reads 30s, 1m30s, or a plain number of seconds.
func parseTimeout(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		d, err = time.ParseDuration(s + "s")
	}
	if err != nil || d < 0 {
		return 0, fault.New(fault.Invalid, "bad_parameter", "timeout: %.40q is not a duration such as 30s", s)
	}
	return d, nil
}
