package httpapi

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// readers read an answer back, by format: a line of names, and a line for each row, of its values with NULL as "-".
var readers = map[string]func(t *testing.T, body string) []string{
	"ndjson": readNDJSON, "csv": readCSV, "arrow": readArrow, "parquet": readParquet,
}

// mediaTypes are the readers' formats as Accept and Content-Type name them.
var mediaTypes = map[string]string{"ndjson": "application/x-ndjson", "csv": "text/csv", "arrow": "application/vnd.apache.arrow.stream",
	"parquet": "application/vnd.apache.parquet"}

func readNDJSON(t *testing.T, body string) (lines []string) {
	t.Helper()
	var names []string
	for line := range strings.Lines(body) {
		var values []string
		names = nil
		d := json.NewDecoder(strings.NewReader(line))
		for n := -1; ; n++ { // a brace, names and values in turn, a brace
			token, err := d.Token()
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if token == json.Delim('}') {
				break
			}
			switch {
			case token == nil:
				values = append(values, "-")
			case n >= 0 && n%2 == 0:
				names = append(names, fmt.Sprint(token))
			case n >= 0:
				values = append(values, fmt.Sprint(token))
			}
		}
		lines = append(lines, strings.Join(values, " "))
	}
	return append([]string{strings.Join(names, " ")}, lines...)
}

func readCSV(t *testing.T, body string) (lines []string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
		lines = append(lines, strings.Join(row, " "))
	}
	return lines
}

func readArrow(t *testing.T, body string) []string {
	t.Helper()
	r, err := ipc.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	return recordsOf(t, r)
}

func readParquet(t *testing.T, body string) []string {
	t.Helper()
	f, err := file.NewParquetReader(bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := p.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	r := array.NewTableReader(whole, 0)
	defer r.Release()
	return recordsOf(t, r)
}

// recordsOf gives what r reads as a reader does.
func recordsOf(t *testing.T, r array.RecordReader) []string {
	t.Helper()
	var names []string
	for _, f := range r.Schema().Fields() {
		names = append(names, f.Name)
	}
	lines := []string{strings.Join(names, " ")}
	for r.Next() {
		for i := range int(r.RecordBatch().NumRows()) {
			var row []string
			for _, c := range r.RecordBatch().Columns() {
				row = append(row, cell(c, i))
			}
			lines = append(lines, strings.Join(row, " "))
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// cell shows a value as JSON and CSV have it.
func cell(c arrow.Array, i int) string {
	switch v := c.(type) {
	case *array.Timestamp:
		if typ := v.DataType().(*arrow.TimestampType); v.IsValid(i) {
			return v.Value(i).ToTime(typ.Unit).UTC().Format(time.RFC3339Nano)
		}
	default:
		if v.IsValid(i) {
			return v.ValueStr(i)
		}
	}
	return "-"
}

// wantListing asks for path in each format, by its name and by its media type, and compares what is read back.
func (p *plant) wantListing(path string, want ...string) {
	p.t.Helper()
	for format, read := range readers {
		for how, r := range map[string]reply{
			"format": p.do("GET", path+"?format="+format, "", "Accept: application/json"),
			"Accept": p.do("GET", path, "", "Accept: image/png, "+mediaTypes[format]),
		} {
			if typ, _, _ := strings.Cut(r.header.Get("Content-Type"), ";"); r.status != http.StatusOK || typ != mediaTypes[format] {
				p.t.Errorf("%s as %s by %s: got %d %s %s", path, format, how, r.status, r.header.Get("Content-Type"), r.body)
				continue
			}
			lines := want
			if len(want) == 1 && format == "ndjson" {
				lines = []string{""} // no row tells the names
			}
			if got := read(p.t, r.body); !slices.Equal(got, lines) {
				p.t.Errorf("%s as %s by %s\n got %q\nwant %q", path, format, how, got, lines)
			}
			if rows := fmt.Sprint(len(want) - 1); r.trailer.Get(rowsTrailer) != rows || r.trailer.Get(statusTrailer) != "complete" {
				p.t.Errorf("%s as %s: got trailers %v, want %s rows", path, format, r.trailer, rows)
			}
		}
	}
}

func TestTablesInEachFormat(t *testing.T) {
	p, _, _ := newArchivePlant(t, nil)
	p.insert("a.b?wait=true", `{"a":1}`)
	p.wantListing("/api/tables", "table", "a.b", "orders")
}

func TestNoTablesInEachFormat(t *testing.T) {
	newPlant(t, setup{}).wantListing("/api/tables", "table")
}

const columnNames = "name type kind not_null created_at receipt rescued"

func TestColumnsInEachFormat(t *testing.T) {
	p, _, _ := newArchivePlant(t, nil)
	want := []string{columnNames}
	for _, c := range decode[shapeReply](t, p.do("GET", "/api/tables/orders/columns", "")).Columns {
		if c.Created == nil || c.Receipt == "" {
			t.Errorf("column %s: nobody knows who made it", c.Name)
			continue
		}
		want = append(want, fmt.Sprintf("%s - %s %v %s %s %d", c.Name, c.Kind, c.NotNull, c.Created.UTC().Format(time.RFC3339Nano), c.Receipt, c.Rescued))
	}
	if len(want) != 7 {
		t.Fatalf("got %d columns, want 6", len(want)-1)
	}
	p.wantListing("/api/tables/orders/columns", want...)
}

// A table that a person made: nothing is known of when, and for which batch. There are enough columns for two words of
// the bit map that says which values are there.
func TestColumnsOfOthersInEachFormat(t *testing.T) {
	p := newPlant(t, setup{})
	table, err := schema.ParseTable("byhand")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{columnNames, "__row_id - text false - - 0"}
	var cols []schema.Column
	for i := range 70 {
		c := schema.Column{Name: fmt.Sprint("c", i), Kind: schema.Foreign, Type: "DECIMAL(9,2)", NotNull: i%3 == 0}
		cols = append(cols, c)
		want = append(want, fmt.Sprintf("%s %s foreign %v - - 0", c.Name, c.Type, c.NotNull))
	}
	if err := p.one.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	if err := p.one.AddColumns(t.Context(), table, cols); err != nil {
		t.Fatal(err)
	}
	p.wantListing("/api/tables/byhand/columns", want...)
}

// The document stays what it is unless another format is asked for.
func TestListingsAreDocumentsByDefault(t *testing.T) {
	p, _, _ := newArchivePlant(t, nil)
	for path, want := range map[string]string{"/api/tables": `{"tables":["orders"]}`, "/api/tables/orders/columns": `{"table":"orders","columns":[{"name":`} {
		for _, ask := range []string{"", "?format=", "?format=json", "?format=JSON"} {
			for _, accept := range []string{"", "*/*", "application/json", "image/png", "application/json, text/csv;q=0.5"} {
				r := p.do("GET", path+ask, "", "Accept: "+accept)
				if r.status != http.StatusOK || !strings.HasPrefix(r.body, want) || r.header.Get("Content-Type") != "application/json" {
					t.Errorf("%s%s, Accept %q: got %d %s %s", path, ask, accept, r.status, r.header.Get("Content-Type"), r.body)
				}
			}
		}
		wantProblem(t, p.do("GET", path+"?format=xml", ""), http.StatusBadRequest, "unknown_format")
		r := p.do("HEAD", path+"?format=csv", "")
		if r.status != http.StatusOK || r.body != "" || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Errorf("HEAD %s: got %d %v", path, r.status, r.header)
		}
	}
	wantProblem(t, p.do("GET", "/api/tables/nowhere/columns?format=parquet", ""), http.StatusNotFound, "unknown_table")
	r := p.do("GET", "/api/tables?format=ndjson", "", "Accept-Encoding: gzip")
	if r.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("got Content-Encoding %q, want gzip", r.header.Get("Content-Encoding"))
	}
}
