package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/tables"
)

// tablesReply lists a destination's tables.
type tablesReply struct {
	Tables []string `json:"tables"`
}

// listTables lists the tables: as a document in JSON, and in every other format as rows.
func (s *Server) listTables(w http.ResponseWriter, r *http.Request) error {
	format, err := formatOf(r)
	if err != nil {
		return err
	}
	list, err := s.deps.Tables.List(r.Context(), callOf(r.Context()).grant.Destination)
	if err != nil {
		return err
	}
	reply := tablesReply{Tables: make([]string, len(list))}
	for i, t := range list {
		reply.Tables[i] = t.String()
	}
	if format.Name != "json" {
		return s.sendListing(w, r, format, tablesListing(reply.Tables))
	}
	return writeJSON(w, http.StatusOK, reply)
}

// shapeReply tells what a table is like.
type shapeReply struct {
	Table string `json:"table"`
	tables.Shape
}

// tableColumns tells what a table is like: as a document in JSON, and in every other format a row for each column.
func (s *Server) tableColumns(w http.ResponseWriter, r *http.Request) error {
	format, err := formatOf(r)
	if err != nil {
		return err
	}
	table, err := tableOf(r)
	if err != nil {
		return err
	}
	shape, err := s.deps.Tables.Shape(r.Context(), callOf(r.Context()).grant.Destination, table)
	if err != nil {
		return err
	}
	if format.Name != "json" {
		return s.sendListing(w, r, format, columnsListing(shape.Columns))
	}
	return writeJSON(w, http.StatusOK, shapeReply{table.String(), shape})
}

// Bounds of a listing of rescued values.
const (
	rescuedDefault = 100
	rescuedMost    = 10_000
)

// rescuedReply lists rows that have rescued values.
type rescuedReply struct {
	Table string       `json:"table"`
	Rows  []rescuedRow `json:"rows"`
	More  bool         `json:"more"` // there are rows beyond the limit
}

type rescuedRow struct {
	RowID   string          `json:"row_id"`
	Rescued json.RawMessage `json:"rescued"` // the object; a text when somebody wrote something else there
}

func (s *Server) listRescued(w http.ResponseWriter, r *http.Request) error {
	table, err := tableOf(r)
	if err != nil {
		return err
	}
	limit := rescuedDefault
	if text := r.URL.Query().Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > rescuedMost {
			return fault.New(fault.Invalid, "bad_parameter", "limit: %.40q is not a number from 1 to %d", text, rescuedMost)
		}
	}
	rows, more, err := s.deps.Tables.Rescued(r.Context(), callOf(r.Context()).grant.Destination, table, limit)
	if err != nil {
		return err
	}
	reply := rescuedReply{Table: table.String(), Rows: make([]rescuedRow, len(rows)), More: more}
	for i, row := range rows {
		reply.Rows[i] = rescuedRow{row.RowID, objectOf(row.Object)}
	}
	return writeJSON(w, http.StatusOK, reply)
}

func objectOf(text string) json.RawMessage {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, _ := json.Marshal(text) // a string is never refused
	return quoted
}

// restoredReply tells what a replay of rescued values did.
type restoredReply struct {
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`   // that changed
	Values int64  `json:"values"` // that went into their columns
	Left   int64  `json:"left"`   // that stayed in __rescued
}

func (s *Server) replayRescued(w http.ResponseWriter, r *http.Request) error {
	table, err := tableOf(r)
	if err != nil {
		return err
	}
	did, err := s.deps.Tables.Replay(r.Context(), callOf(r.Context()).grant.Destination, table)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, restoredReply{table.String(), did.Rows, did.Values, did.Left})
}
