package httpapi

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// anywhere are the routes at which the request names the table.
var anywhere = []string{"/data", "/api/data/insert"}

// absent is a header or parameter that is not sent, which an empty one may not be the same as.
const absent = "-"

// insertNaming inserts a body at path, with the table's names in the header and in the query.
func (p *plant) insertNaming(path, header, query, body string, headers ...string) reply {
	p.t.Helper()
	if query != absent {
		path += "?table=" + query
	}
	if header != absent {
		headers = append(headers, "X-SCRATCHDB-TABLE: "+header)
	}
	return p.do("POST", path, body, headers...)
}

// takenOver waits until all that was accepted is in its tables, and gives the rows as "table: row", without their ids.
func (p *plant) takenOver() (rows []string) {
	p.t.Helper()
	p.await("all that was accepted is loaded", func() bool {
		if len(p.files("ingest")) > 0 {
			return false
		}
		n, _, err := p.control.Batches().Pending(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		return n == 0
	})
	for _, row := range p.one.rows() {
		rows = append(rows, plainRow(row))
	}
	slices.Sort(rows)
	return rows
}

var (
	ownMembers = regexp.MustCompile(`"__row_id":"[^"]*",?|,"__insert":"[^"]*"`)
	anyULID    = regexp.MustCompile(`"[0-9A-HJKMNP-TV-Z]{26}"`)
)

// plainRow is a row without the row id, and with U for other ULIDs.
func plainRow(row string) string {
	return anyULID.ReplaceAllString(ownMembers.ReplaceAllString(row, ""), "U")
}

// wantTables checks that all tables have those rows and no others.
func (p *plant) wantTables(want []string) {
	p.t.Helper()
	slices.Sort(want)
	if got := p.takenOver(); !slices.Equal(got, want) {
		p.t.Errorf("rows\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// The header counts first, then the query, then the body; a table that is named outside makes the body rows.
func TestPrecedenceOfTableNames(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	const row, envelope = `{"v":"CASE"}`, `{"table":"e","data":{"v":"CASE"}}`
	const asRow = `{"table":"e","data_v":"CASE"}`
	var want []string
	for i, tt := range []struct{ header, query, body, want string }{
		{absent, absent, row, ""},
		{absent, absent, envelope, "e: " + row},
		{absent, "", row, ""},
		{absent, "", envelope, "e: " + row},
		{absent, "q", row, "q: " + row},
		{absent, "q", envelope, "q: " + asRow},
		{"", absent, row, ""},
		{"", absent, envelope, "e: " + row},
		{"", "", row, ""},
		{"", "", envelope, "e: " + row},
		{"", "q", row, "q: " + row},
		{"", "q", envelope, "q: " + asRow},
		{"h", absent, row, "h: " + row},
		{"h", absent, envelope, "h: " + asRow},
		{"h", "", row, "h: " + row},
		{"h", "", envelope, "h: " + asRow},
		{"h", "q", row, "h: " + row},
		{"h", "q", envelope, "h: " + asRow},
		{"h", "..", row, "h: " + row}, // nobody asks the query any more
	} {
		for _, path := range anywhere {
			name := fmt.Sprintf("%d header %s query %s %s", i, tt.header, tt.query, path)
			t.Run(name, func(t *testing.T) {
				p.in(t)
				r := p.insertNaming(path, tt.header, tt.query, strings.Replace(tt.body, "CASE", name, 1))
				if tt.want == "" {
					wantProblem(t, r, http.StatusBadRequest, "bad_envelope")
					return
				}
				if got := decode[insertReply](t, r); r.status != http.StatusOK || got.Rows != 1 || got.Receipt == "" {
					t.Errorf("got %d %+v, want 200 and 1 row", r.status, got)
				}
				want = append(want, strings.Replace(tt.want, "CASE", name, 1))
			})
		}
	}
	p.insert("path?table=q", `{"table":"e","data":1}`, "X-SCRATCHDB-TABLE: h") // the path says it
	want = append(want, `path: {"table":"e","data":1}`)
	p.wantTables(want)
}

func TestTableNamesAnywhere(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	longest := strings.Repeat("q", 127) + "." + strings.Repeat("t", 127)
	var want []string
	for i, tt := range []struct{ name, asQuery string }{
		{"events", "events"}, {"two words", "two+words"}, {"a.c-d", "a.c-d"}, {"a.b", "a%2Eb"}, {longest, longest},
	} {
		row := fmt.Sprintf(`{"i":%d}`, i)
		for _, r := range []reply{
			p.insertNaming("/data", tt.name, absent, row),
			p.insertNaming("/data", absent, tt.asQuery, row),
			p.insertNaming("/data", absent, absent, `{"table":"`+tt.name+`","data":`+row+`}`),
		} {
			if r.status != http.StatusOK {
				t.Errorf("%s: got %d %s, want 200", tt.name, r.status, r.body)
			}
			want = append(want, tt.name+": "+row)
		}
	}
	p.wantTables(want)
	if got := p.two.rows(); len(got) > 0 {
		t.Errorf("the other key's destination got %q", got)
	}
}

func TestBadTableNamesAnywhere(t *testing.T) {
	p := newPlant(t, setup{})
	for _, tt := range []struct{ name, asQuery, asText string }{
		{"../../etc/passwd", "../../etc/passwd", "../../etc/passwd"},
		{"a/b", "a%2Fb", `a\/b`},
		{"a.b.c", "a.b.c", "a.b.c"},
		{"a.", "a.", "a."},
		{`a"; drop table x; --`, "a%22%3B%20drop%20table%20x%3B%20--", `a\"; drop table x; --`},
		{"t\u00e4ble", "t%C3%A4ble", `t\u00e4ble`},
		{absent, "a%00b", `a\u0000b`},
		{absent, "%20a", " a"},
		{absent, "%ff", ""},
		{strings.Repeat("a", 128), strings.Repeat("a", 128), strings.Repeat("a", 128)},
	} {
		for place, r := range map[string]reply{
			"query":    p.insertNaming("/data", absent, tt.asQuery, `{"a":1}`),
			"body":     p.insertNaming("/data", absent, absent, `{"table":"`+tt.asText+`","data":{"a":1}}`),
			"body end": p.insertNaming("/data", absent, absent, `{"data":[{"a":1},{"a":2}],"table":"`+tt.asText+`"}`),
		} {
			if got := wantProblem(t, r, http.StatusBadRequest, "bad_table_name"); len(got.Detail) > 700 {
				t.Errorf("%s in the %s: the detail has %d bytes", tt.name, place, len(got.Detail))
			}
		}
		if tt.name != absent {
			r := p.insertNaming("/data", tt.name, "good", `{"a":1}`) // the query does not mend it
			wantProblem(t, r, http.StatusBadRequest, "bad_table_name")
		}
	}
	p.wantNothingStored()
}

func TestBodiesForNamedTables(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	const lines = "{\"v\":\"CASE 1\"}\n{\"v\":\"CASE 2\"}\n"
	var want []string
	for _, tt := range []struct{ name, coding, body string }{
		{"lines", "", lines},
		{"array", "", `[{"v":"CASE 1"},{"v":"CASE 2"}]`},
		{"gzip", "gzip", lines},
		{"zstd", "zstd", lines},
		{"none", "", "[]"},
	} {
		for place, named := range map[string][2]string{"header": {"t", absent}, "query": {absent, "t"}} {
			t.Run(tt.name+" "+place, func(t *testing.T) {
				p.in(t)
				name := tt.name + place
				body, rows := encoded(t, tt.coding, strings.ReplaceAll(tt.body, "CASE", name)), strings.Count(tt.body, "CASE")
				r := p.insertNaming("/data", named[0], named[1], body, "Content-Encoding: "+tt.coding)
				if got := decode[insertReply](t, r); r.status != http.StatusOK || got.Rows != rows {
					t.Errorf("got %d %+v, want 200 and %d rows", r.status, got, rows)
				}
				for n := range rows {
					want = append(want, fmt.Sprintf(`t: {"v":"%s %d"}`, name, n+1))
				}
			})
		}
	}
	p.wantTables(want)
}

// encoded is s in the coding.
func encoded(t *testing.T, coding, s string) string {
	t.Helper()
	switch coding {
	case "gzip":
		return gzipped(t, s)
	case "zstd":
		return zstded(t, s)
	}
	return s
}
