package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/tables"
)

// remote asks a running server's API about one destination.
type remote struct {
	base string
	key  secret.String
}

// newRemote returns the API of cfg's server, if it has one that can be asked about d.
func newRemote(cfg config.Config, d config.Destination) (*remote, bool) {
	if !cfg.API.Enabled || cfg.API.Port == 0 || len(d.APIKeys) == 0 {
		return nil, false
	}
	return &remote{"http://" + net.JoinHostPort(hostOf(cfg.API.Host), strconv.Itoa(cfg.API.Port)), d.APIKeys[0]}, true
}

// ask calls the API about a table and reads its answer into reply.
func (r *remote) ask(ctx context.Context, method string, table schema.Table, path string, reply any) error {
	return r.call(ctx, method, "/api/tables/"+url.PathEscape(table.String())+path, nil, reply)
}

// call calls the API, with body as JSON unless that is nil, and reads its answer into reply.
func (r *remote) call(ctx context.Context, method, path string, body, reply any) (err error) {
	var text io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, text)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+r.key.Reveal())
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusAccepted {
		return json.NewDecoder(resp.Body).Decode(reply)
	}
	var problem struct{ Detail, Code string }
	if err := json.NewDecoder(resp.Body).Decode(&problem); err != nil || problem.Code == "" {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	kind := fault.Internal
	if resp.StatusCode == http.StatusBadRequest {
		kind = fault.Invalid // a mistake in what was asked
	}
	return fault.New(kind, problem.Code, "the server answered %s: %s", resp.Status, problem.Detail)
}

// Shape tells what a table is like.
func (r *remote) Shape(ctx context.Context, _ string, table schema.Table) (shape tables.Shape, err error) {
	return shape, r.ask(ctx, http.MethodGet, table, "/columns", &shape)
}

// Rescued lists rows with rescued values.
func (r *remote) Rescued(ctx context.Context, _ string, table schema.Table, limit int) ([]tables.Rescued, bool, error) {
	var reply struct {
		Rows []struct {
			RowID   string          `json:"row_id"`
			Rescued json.RawMessage `json:"rescued"`
		} `json:"rows"`
		More bool `json:"more"`
	}
	if err := r.ask(ctx, http.MethodGet, table, "/rescued?limit="+strconv.Itoa(limit), &reply); err != nil {
		return nil, false, err
	}
	rows := make([]tables.Rescued, len(reply.Rows))
	for i, row := range reply.Rows {
		rows[i] = tables.Rescued{RowID: row.RowID, Object: string(row.Rescued)}
	}
	return rows, reply.More, nil
}

// Replay puts rescued values into their columns.
func (r *remote) Replay(ctx context.Context, _ string, table schema.Table) (did destination.Restored, err error) {
	var reply struct{ Rows, Values, Left int64 }
	err = r.ask(ctx, http.MethodPost, table, "/rescued/replay", &reply)
	return destination.Restored{Rows: reply.Rows, Values: reply.Values, Left: reply.Left}, err
}
