package clickhouse

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// benchRows is about as many rows as a batch file has, of the sort that web sites send.
const benchRows = 400_000

func benchBatch(ids *rowid.Source, text []byte) destination.Batch {
	kinds := func(name string, k schema.Kind) schema.Seen {
		return schema.Seen{Name: name, Kinds: schema.Kinds(0).With(k)}
	}
	return destination.Batch{ID: ids.Batch(), Rows: benchRows, Seen: []schema.Seen{kinds("__row_id", schema.Text), kinds("user", schema.Int), kinds("price", schema.Float),
		kinds("at", schema.Timestamp), kinds("url", schema.Text), kinds("ok", schema.Bool)},
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }}
}

func benchText(ids *rowid.Source) []byte {
	var b bytes.Buffer
	for i := range benchRows {
		fmt.Fprintf(&b, `{"__row_id":"%s","user":%d,"price":%d.25,"at":"2024-02-29T12:%02d:%02d.123Z","url":"https://example.com/some/page/%d?source=mail","ok":%t}`+"\n",
			ids.New(), i*7919%100_000, i%1000, i/60%60, i%60, i%5000, i%3 == 0)
	}
	return b.Bytes()
}

func benchTable(b *testing.B, d *Destination) schema.Table {
	b.Helper()
	table, err := schema.ParseTable("events")
	if err != nil {
		b.Fatal(err)
	}
	if err := d.CreateTable(b.Context(), table); err != nil {
		b.Fatal(err)
	}
	cols := []schema.Column{{Name: "user", Kind: schema.Int}, {Name: "price", Kind: schema.Float}, {Name: "at", Kind: schema.Timestamp}, {Name: "url", Kind: schema.Text}, {Name: "ok", Kind: schema.Bool}}
	if err := d.AddColumns(b.Context(), table, cols); err != nil {
		b.Fatal(err)
	}
	return table
}

func BenchmarkLoad(b *testing.B) {
	server := servertest.ClickHouse(b)
	ids := rowid.NewSource()
	text := benchText(ids)
	for _, protocol := range []string{native, overHTTP} {
		b.Run(protocol, func(b *testing.B) {
			cfg := configOf(server.Fresh(b))
			cfg.Protocol = protocol
			d := openWith(b, cfg)
			table := benchTable(b, d)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if did, err := d.Load(b.Context(), table, benchBatch(ids, text)); err != nil || did.Rows != benchRows {
					b.Fatalf("got %+v, %v", did, err)
				}
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
	for name, zip := range map[string]bool{"JSONEachRow": false, "JSONEachRow gzip": true} {
		b.Run(name, func(b *testing.B) {
			s := server.Fresh(b)
			benchTable(b, openWith(b, configOf(s)))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				postRows(b, s, text, zip)
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// postRows has the server itself read the rows.
func postRows(b *testing.B, s servertest.ClickHouseServer, text []byte, zip bool) {
	b.Helper()
	r, w := io.Pipe()
	go func() {
		if !zip {
			_, err := w.Write(text)
			_ = w.CloseWithError(err)
			return
		}
		z, _ := gzip.NewWriterLevel(w, 1)
		_, err := z.Write(text)
		_ = z.Close()
		_ = w.CloseWithError(err)
	}()
	query := url.Values{"database": {s.Database}, "async_insert": {"0"}, "date_time_input_format": {"best_effort"}, "query": {"INSERT INTO events FORMAT JSONEachRow"},
		"min_insert_block_size_rows": {"1000000000"}, "min_insert_block_size_bytes": {"1000000000000"}}
	req, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://%s:%d/?%s", s.Host, s.HTTP, query.Encode()), r)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("X-ClickHouse-User", s.User)
	req.Header.Set("X-ClickHouse-Key", s.Password)
	if zip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	said, _ := io.ReadAll(reply.Body)
	if reply.Body.Close(); reply.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s", reply.Status, said)
	}
}

func BenchmarkQuery(b *testing.B) {
	server := servertest.ClickHouse(b)
	ids := rowid.NewSource()
	text := benchText(ids)
	for _, protocol := range []string{native, overHTTP} {
		cfg := configOf(server.Fresh(b))
		cfg.Protocol = protocol
		d := openWith(b, cfg)
		if _, err := d.Load(b.Context(), benchTable(b, d), benchBatch(ids, text)); err != nil {
			b.Fatal(err)
		}
		for _, format := range result.Formats() {
			b.Run(protocol+" "+format.Name, func(b *testing.B) {
				for b.Loop() {
					if err := d.Query(b.Context(), "SELECT * FROM events", nil, format.New(io.Discard)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
		if protocol == native {
			for _, format := range []string{"JSONEachRow", "CSV"} {
				b.Run("the server's own "+format, func(b *testing.B) {
					for b.Loop() {
						at := fmt.Sprintf("http://%s:%d/?database=%s&user=%s&password=%s", server.Host, server.HTTP, cfg.Database, server.User, server.Password)
						reply, err := http.Post(at, "text/plain", strings.NewReader("SELECT * FROM events FORMAT "+format))
						if err != nil {
							b.Fatal(err)
						}
						_, _ = io.Copy(io.Discard, reply.Body)
						_ = reply.Body.Close()
					}
					b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
				})
			}
		}
	}
}
