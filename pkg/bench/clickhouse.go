package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/clickhouse"
	"github.com/scratchdata/scratchdata/pkg/rig"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

// clickHouseServer is the one to measure with, and a database in it that is dropped in the end.
type clickHouseServer struct {
	cfg clickhouse.Config
}

// parseClickHouse reads clickhouse://user:password@host:port?http_port=8123.
func parseClickHouse(dsn string) (s clickHouseServer, err error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "clickhouse" || u.Hostname() == "" {
		return s, errors.New("the ClickHouse to measure with is not like clickhouse://user:password@host:9000?http_port=8123")
	}
	c := clickhouse.DefaultConfig()
	password, _ := u.User.Password()
	c.Hosts, c.Username, c.Password, c.Database = clickhouse.Hosts{u.Hostname()}, u.User.Username(), secret.String(password), "scratchdata_bench"
	for text, port := range map[string]*int{u.Port(): &c.TCPPort, u.Query().Get("http_port"): &c.HTTPPort} {
		if text == "" {
			continue
		}
		if *port, err = strconv.Atoi(text); err != nil {
			return s, fmt.Errorf("the port %q of ClickHouse is no number", text)
		}
	}
	return clickHouseServer{c}, nil
}

// do has the server itself run a statement over plain HTTP, with body after it, and gives the seconds until all of its answer was read.
func (s clickHouseServer) do(ctx context.Context, sql string, body io.Reader) (float64, error) {
	q := url.Values{"query": {sql}, "database": {s.cfg.Database}, "async_insert": {"0"}, "date_time_input_format": {"best_effort"}}
	if strings.Contains(sql, "DATABASE") {
		q.Del("database")
	}
	at := "http://" + s.cfg.Hosts[0] + ":" + strconv.Itoa(s.cfg.HTTPPort) + "/?" + q.Encode()
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-ClickHouse-User", s.cfg.Username)
	req.Header.Set("X-ClickHouse-Key", s.cfg.Password.Reveal())
	c := rig.NewClient()
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return 0, errors.Join(fmt.Errorf("ClickHouse: %s: %s", resp.Status, text), err)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 1<<20))
	return seconds(start), err
}

// wideColumns are those of the rows that wideBody makes.
var wideColumns = []schema.Column{{Name: "id", Kind: schema.Int}, {Name: "name", Kind: schema.Text}, {Name: "score", Kind: schema.Float}, {Name: "ts", Kind: schema.Timestamp},
	{Name: "ok", Kind: schema.Bool}, {Name: "note", Kind: schema.Text}, {Name: "big", Kind: schema.Int}}

// wideRows is how many rows go into a ClickHouse and out of it.
func (b *bench) wideRows() int {
	if b.cfg.Rows == 0 {
		return outRows
	}
	return b.cfg.Rows
}

// barOf gives a bar, or none when there are fewer rows than it was set for: then the fixed costs count.
func (b *bench) barOf(bar float64) float64 {
	if b.wideRows() < outRows {
		return 0
	}
	return bar
}

// millions gives rows of so many seconds as text.
func (b *bench) millions(seconds float64) string {
	return fmt.Sprintf("%.2f M rows/s", float64(b.wideRows())/1e6/seconds)
}

// clickHouse measures loads into a ClickHouse and answers from it against what the server does alone over plain HTTP.
func (b *bench) clickHouse(ctx context.Context) (figures []figure, err error) {
	if b.cfg.ClickHouse == "" {
		fmt.Fprintln(b.out, "  left out: no --clickhouse was given")
		return nil, nil
	}
	s, err := parseClickHouse(b.cfg.ClickHouse)
	if err != nil {
		return nil, err
	}
	if _, err := s.do(ctx, "DROP DATABASE IF EXISTS "+s.cfg.Database+" SYNC", nil); err != nil {
		return nil, err
	}
	defer func() {
		_, derr := s.do(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+s.cfg.Database+" SYNC", nil)
		err = errors.Join(err, derr)
	}()
	path, err := b.writeRows()
	if err != nil {
		return nil, err
	}
	for _, protocol := range []string{"native", "http"} {
		s.cfg.Protocol = protocol
		load, err := b.clickHouseLoad(ctx, s, path)
		if err != nil {
			return nil, err
		}
		out, err := b.clickHouseOut(ctx, s)
		if err != nil {
			return nil, err
		}
		figures = append(append(figures, load), out...)
	}
	return figures, os.Remove(path)
}

// writeRows writes the rows of wideBody as a batch file has them.
func (b *bench) writeRows() (path string, err error) {
	path = filepath.Join(b.cfg.Dir, "rows.ndjson")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	ids := rowid.NewSource()
	for line := range strings.Lines(wideBody(b.wideRows())) {
		if _, err := fmt.Fprintf(f, `{"__row_id":"%s",%s`, ids.New(), line[1:]); err != nil {
			return "", err
		}
	}
	return path, f.Close()
}

// clickHouseLoad measures how long a batch takes to be loaded, against the server's own reading of the same file.
func (b *bench) clickHouseLoad(ctx context.Context, s clickHouseServer, path string) (f figure, err error) {
	d, err := clickhouse.Open(ctx, s.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	var ours, engine []float64
	for range b.cfg.Rounds {
		o, err := loadFile(ctx, s, d, path, int64(b.wideRows()))
		if err != nil {
			return f, err
		}
		e, err := engineLoads(ctx, s, d, path)
		if err != nil {
			return f, err
		}
		ours, engine = append(ours, o), append(engine, e)
	}
	o, e := median(ours), median(engine)
	return figure{name: fmt.Sprintf("%g M × 7 rows into ClickHouse, %s", float64(b.wideRows())/1e6, s.cfg.Protocol), got: b.millions(o),
		against: "FORMAT JSONEachRow " + b.millions(e), ratio: o / e, bar: b.barOf(1.3), atMost: true}, nil
}

// freshTable makes an empty table for the rows of wideBody.
func freshTable(ctx context.Context, s clickHouseServer, d destination.Destination, name string) (schema.Table, error) {
	table, err := schema.ParseTable(name)
	if err != nil {
		return table, err
	}
	if _, err := s.do(ctx, "DROP TABLE IF EXISTS "+name+" SYNC", nil); err != nil {
		return table, err
	}
	if err := d.CreateTable(ctx, table); err != nil {
		return table, err
	}
	return table, d.AddColumns(ctx, table, wideColumns)
}

func loadFile(ctx context.Context, s clickHouseServer, d destination.Destination, path string, rows int64) (float64, error) {
	table, err := freshTable(ctx, s, d, "wide")
	if err != nil {
		return 0, err
	}
	batch := destination.Batch{ID: rowid.NewSource().Batch(), Rows: rows, Seen: []schema.Seen{{Name: schema.RowID, Kinds: schema.Kinds(0).With(schema.Text)}},
		Open: func(context.Context) (io.ReadCloser, error) { return os.Open(path) }}
	for _, c := range wideColumns {
		batch.Seen = append(batch.Seen, schema.Seen{Name: c.Name, Kinds: schema.Kinds(0).With(c.Kind)})
	}
	start := time.Now()
	did, err := d.Load(ctx, table, batch)
	if err == nil && (did.Rows != rows || did.Rescued != 0) {
		err = fmt.Errorf("the load gives %+v", did)
	}
	return seconds(start), err
}

func engineLoads(ctx context.Context, s clickHouseServer, d destination.Destination, path string) (float64, error) {
	if _, err := freshTable(ctx, s, d, "engine"); err != nil {
		return 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	return s.do(ctx, "INSERT INTO engine FORMAT JSONEachRow", f) // which closes it
}

// clickHouseOut measures the rows that clickHouseLoad has loaded out over HTTP as JSON against the server's own, and an insert of as
// many until they answer a count.
func (b *bench) clickHouseOut(ctx context.Context, s clickHouseServer) ([]figure, error) {
	srv, err := b.clickHouseRig(s)
	if err != nil {
		return nil, err
	}
	if err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer srv.Kill() //nolint:errcheck // it was stopped, unless something failed
	var ours, engine []float64
	for range b.cfg.Rounds {
		o, err := download(ctx, srv, outSQL, "json")
		if err != nil {
			return nil, err
		}
		e, err := s.do(ctx, outSQL+" FORMAT JSONEachRow", nil)
		if err != nil {
			return nil, err
		}
		ours, engine = append(ours, o), append(engine, e)
	}
	start := time.Now()
	status, text, err := srv.Post(ctx, srv.HTTP, "/api/data/insert/sent?ack=loaded&timeout=5m", strings.NewReader(wideBody(b.wideRows())))
	if err != nil || status != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("insert: status %d: %s", status, text), err)
	}
	whole := seconds(start)
	o, e := median(ours), median(engine)
	return []figure{
		{name: "the same out as json over HTTP", got: fmt.Sprintf("%.2f s", o), against: fmt.Sprintf("FORMAT JSONEachRow %.2f s", e), ratio: o / e, bar: b.barOf(1.5), atMost: true},
		{name: "the same sent in one request until loaded", got: b.millions(whole), ratio: whole, unit: " s"},
	}, srv.Stop()
}

// clickHouseRig is a server, not started yet, whose destination is s.
func (b *bench) clickHouseRig(s clickHouseServer) (*rig.Server, error) {
	dir := filepath.Join(b.cfg.Dir, "clickhouse-"+s.cfg.Protocol)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	srv, err := rig.New(b.cfg.Program, dir)
	if err != nil {
		return nil, err
	}
	srv.Config = filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("destinations:\n  - {id: 1, type: clickhouse, api_keys: [%s], settings: {hosts: [%q], protocol: %s, tcp_port: %d, http_port: %d, username: %q, password: %q, database: %s}}\n",
		rig.Key, s.cfg.Hosts[0], s.cfg.Protocol, s.cfg.TCPPort, s.cfg.HTTPPort, s.cfg.Username, s.cfg.Password.Reveal(), s.cfg.Database)
	return srv, os.WriteFile(srv.Config, []byte(text), 0o600)
}
