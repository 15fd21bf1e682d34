package builtin

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/clickhouse"
	"github.com/scratchdata/scratchdata/pkg/destination/duckdb"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// sql is the query of the values in one database, in order.
func (a answer) sql(in string) string {
	var rows []string
	for i, v := range a.values {
		sql, typ := v.sql, a.duckdb
		if in == "clickhouse" {
			if typ = a.clickhouse; v.clickhouse != "" {
				sql = v.clickhouse
			}
			sql = strings.ReplaceAll(sql, "chr(", "char(")
		}
		rows = append(rows, fmt.Sprintf("(%d, CAST(%s AS %s))", i, sql, typ))
	}
	if in == "clickhouse" { // one block, as DuckDB has one: each begins a batch of Arrow
		return "SELECT t.2 AS v FROM (SELECT arrayJoin([" + strings.Join(rows, ", ") + "]) AS t) ORDER BY t.1"
	}
	return "SELECT v FROM (VALUES " + strings.Join(rows, ", ") + ") AS t(i, v) ORDER BY i"
}

// inEveryFormat takes an answer once and encodes it in each format.
type inEveryFormat struct {
	writers []result.Writer
	texts   map[string]*bytes.Buffer
}

func encoders() *inEveryFormat {
	e := &inEveryFormat{texts: map[string]*bytes.Buffer{}}
	for _, f := range result.Formats() {
		e.texts[f.Name] = new(bytes.Buffer)
		e.writers = append(e.writers, f.New(e.texts[f.Name]))
	}
	return e
}

func (e *inEveryFormat) each(do func(result.Writer) error) error {
	for _, w := range e.writers {
		if err := do(w); err != nil {
			return err
		}
	}
	return nil
}

func (e *inEveryFormat) Begin(cols []vector.Field) error {
	return e.each(func(w result.Writer) error { return w.Begin(cols) })
}

func (e *inEveryFormat) Write(b *vector.Batch) error {
	return e.each(func(w result.Writer) error { return w.Write(b) })
}

func (e *inEveryFormat) End() error { return e.each(result.Writer.End) }

// ask gives the answer to sql in each format.
func ask(t *testing.T, d destination.Destination, sql string) map[string]string {
	t.Helper()
	e := encoders()
	if err := d.Query(t.Context(), sql, nil, e); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	got := map[string]string{}
	for name, text := range e.texts {
		got[name] = text.String()
	}
	return got
}

// opened has both databases, ClickHouse by each of its protocols.
type opened struct {
	duckdb     destination.Destination
	clickhouse map[string]destination.Destination
	server     servertest.ClickHouseServer
}

func open(t *testing.T) opened {
	t.Helper()
	o := opened{clickhouse: map[string]destination.Destination{}, server: servertest.ClickHouse(t)}
	log := slog.New(slog.DiscardHandler)
	keep := func(d destination.Destination, err error) destination.Destination {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return d
	}
	duck := duckdb.DefaultConfig()
	duck.InMemory = true
	o.duckdb = keep(duckdb.Open(t.Context(), duck, log))
	for _, protocol := range []string{"native", "http"} {
		c := clickhouse.DefaultConfig()
		c.Protocol, c.Hosts, c.TCPPort, c.HTTPPort = protocol, clickhouse.Hosts{o.server.Host}, o.server.TCP, o.server.HTTP
		c.Username, c.Password, c.Database = o.server.User, secret.String(o.server.Password), o.server.Database
		o.clickhouse[protocol] = keep(clickhouse.Open(t.Context(), c, log))
	}
	return o
}

// ndjson is what the values look like, where they are a column v.
func (a answer) ndjson(in string) string {
	var b strings.Builder
	for _, v := range a.values {
		json := v.json
		if in == "clickhouse" && v.otherJSON != "" {
			json = v.otherJSON
		}
		b.WriteString(`{"v":` + json + "}\n")
	}
	return b.String()
}

// TestAnswersAreTheSameFromEachDatabase: the same values have the same bytes in each format. Where they do not, FORMATS.md says so,
// and nothing but what it says is another.
func TestAnswersAreTheSameFromEachDatabase(t *testing.T) {
	o := open(t)
	said, err := os.ReadFile(filepath.Join("..", "..", "docs", "FORMATS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers() {
		t.Run(a.name, func(t *testing.T) {
			var want map[string]string
			if a.duckdb != "" {
				want = ask(t, o.duckdb, a.sql("duckdb"))
				wantText(t, "DuckDB", want["ndjson"], a.ndjson("duckdb"))
			}
			for protocol, d := range o.clickhouse {
				got := ask(t, d, a.sql("clickhouse"))
				wantText(t, "ClickHouse over "+protocol, got["ndjson"], a.ndjson("clickhouse"))
				for format := range got {
					if want != nil && a.same(format) != (got[format] == want[format]) {
						t.Errorf("%s over %s, is to be the same: %v\n   ClickHouse %s\n       DuckDB %s", format, protocol, a.same(format), shown(t, format, got[format]), shown(t, format, want[format]))
					}
				}
				if typ := arrowType(t, got["arrow"]); a.arrow != "" && typ != a.arrow {
					t.Errorf("over %s: got the type %s in Arrow, want %s", protocol, typ, a.arrow)
				}
			}
			if a.differs != "" && !bytes.Contains(said, []byte(a.differs)) {
				t.Errorf("FORMATS.md does not say %q", a.differs)
			}
		})
	}
}

// same says whether a format's bytes are to be those of DuckDB.
func (a answer) same(format string) bool {
	switch {
	case a.differs == "":
		return true
	case format == "arrow", format == "parquet":
		return format == "parquet" && a.parquet
	}
	return a.ndjson("duckdb") == a.ndjson("clickhouse")
}

func wantText(t *testing.T, who, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", who, got, want)
	}
}

// TestColumnsOfOneName: each is there, under a name of its own, which is the same from each database.
func TestColumnsOfOneName(t *testing.T) {
	o := open(t)
	const sql = "SELECT x, x, y AS x_1, x AS X, x FROM (SELECT 1 AS x, 2 AS y) AS t"
	want := ask(t, o.duckdb, strings.NewReplacer(" 1 ", " 1::UTINYINT ", " 2 ", " 2::UTINYINT ").Replace(sql))
	wantText(t, "DuckDB", want["ndjson"], `{"x":1,"x_2":1,"x_1":2,"X":1,"x_3":1}`+"\n")
	for protocol, d := range o.clickhouse {
		got := ask(t, d, sql)
		for format := range got {
			wantText(t, "ClickHouse over "+protocol+" as "+format, shown(t, format, got[format]), shown(t, format, want[format]))
		}
	}
}

// TestServerReadsItsAnswers: what is sent as Arrow and as Parquet is read by ClickHouse itself, and is what the query gives there.
func TestServerReadsItsAnswers(t *testing.T) {
	o := open(t)
	for i, a := range answers() {
		if strings.Contains(a.clickhouse, "Nothing") || strings.Contains(a.clickhouse, "Interval") || a.name == "bytes" || a.name == "variant" {
			continue // the server has no tables of the first, no readers for the second, reads U+FFFD of the third, and '' for a NULL of the last
		}
		t.Run(a.name, func(t *testing.T) {
			got := ask(t, o.clickhouse["native"], a.sql("clickhouse"))
			want := o.server.Exec(t, a.sql("clickhouse")+" FORMAT JSONCompactEachRow")
			for format, name := range map[string]string{"arrow": "ArrowStream", "parquet": "Parquet"} {
				table := fmt.Sprintf("%s_%d", format, i)
				o.server.Exec(t, "CREATE TABLE "+table+" (v "+a.clickhouse+") ENGINE = Memory")
				o.server.Exec(t, "INSERT INTO "+table+" FORMAT "+name+"\n"+got[format])
				wantText(t, name, o.server.Exec(t, "SELECT v FROM "+table+" FORMAT JSONCompactEachRow"), want)
			}
		})
	}
}

// shown is an answer as a person can read it.
func shown(t *testing.T, format, text string) string {
	t.Helper()
	switch format {
	case "arrow":
		b := &strings.Builder{}
		readArrow(t, text, func(r *ipc.Reader) {
			for r.Next() {
				fmt.Fprintf(b, " %v", r.RecordBatch())
			}
		})
		return b.String()
	case "parquet":
		return fmt.Sprintf("%q", text)
	}
	return text
}

// arrowType is the type of the column in an answer.
func arrowType(t *testing.T, text string) (name string) {
	t.Helper()
	readArrow(t, text, func(r *ipc.Reader) { name = r.Schema().Field(0).Type.String() })
	return name
}

func readArrow(t *testing.T, text string, do func(r *ipc.Reader)) {
	t.Helper()
	r, err := ipc.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	do(r)
}
