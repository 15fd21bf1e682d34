package httpapi

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// nested is a document that becomes other rows in each mode; flat has those.
const nested = `{"c":"CASE","b":{"x":[1,2]}}`

var flat = map[string][]string{
	"horizontal": {`t: {"c":"CASE","b_x_0":1,"b_x_1":2}`},
	"vertical": {`t: {"___document_id":U,"c":"CASE","__order_b_x":0,"b_x":1}`,
		`t: {"___document_id":U,"c":"CASE","__order_b_x":1,"b_x":2}`},
	"multitable": {`t: {"id":U,"c":"CASE"}`, `b: {"id":U,"t_id":U}`, `x: {"id":U,"b_id":U,"x":1}`, `x: {"id":U,"b_id":U,"x":2}`},
	"none":       {`t: {"c":"CASE","b":{"x":[1,2]}}`},
}

func TestFlattenByQueryAndHeader(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	var want []string
	for _, tt := range []struct{ query, header, mode string }{
		{absent, absent, "horizontal"},
		{"", absent, "horizontal"},
		{"horizontal", absent, "horizontal"},
		{"flat", absent, "horizontal"},
		{"vertical", absent, "vertical"},
		{"explode", absent, "vertical"},
		{"multitable", absent, "multitable"},
		{"none", absent, "none"},
		{absent, "", "horizontal"},
		{absent, "horizontal", "horizontal"},
		{absent, "flat", "horizontal"},
		{absent, "vertical", "vertical"},
		{absent, "explode", "vertical"},
		{absent, "multitable", "multitable"},
		{absent, "none", "none"},
		{"none", "vertical", "vertical"},
		{"vertical", "flat", "horizontal"},
		{"vertical", "", "vertical"},
		{"wrong", "none", "none"}, // nobody asks the query any more
	} {
		for _, path := range []string{"/api/data/insert/t?", "/api/data/insert?table=t&", "/data?"} {
			name := "query " + tt.query + " header " + tt.header + " at " + path
			t.Run(name, func(t *testing.T) {
				p.in(t)
				body := strings.ReplaceAll(nested, "CASE", name)
				if path == "/data?" {
					body = `{"data":` + body + `,"table":"t"}`
				}
				r := p.insertFlat(path, tt.query, tt.header, body)
				rows := flat[tt.mode]
				if got := decode[insertReply](t, r); r.status != http.StatusOK || got.Rows != len(rows) {
					t.Errorf("got %d %+v, want 200 and %d rows", r.status, got, len(rows))
				}
				for _, row := range rows {
					want = append(want, strings.Replace(row, "CASE", name, 1))
				}
			})
		}
	}
	p.wantTables(want)
}

// insertFlat inserts body at path, whose query has begun, with the mode in the query and in the header.
func (p *plant) insertFlat(path, query, header, body string) reply {
	p.t.Helper()
	if query != absent {
		path += "flatten=" + query
	}
	var headers []string
	if header != absent {
		headers = append(headers, "X-SCRATCHDB-FLATTEN: "+header)
	}
	return p.do("POST", path, body, headers...)
}

func TestUnknownFlattenModes(t *testing.T) {
	p := newPlant(t, setup{})
	for _, mode := range []string{"Vertical", "wide", "horizontal,none", strings.Repeat("x", 5_000)} {
		for _, places := range [][2]string{{mode, absent}, {absent, mode}, {"none", mode}, {mode, ""}} {
			got := wantProblem(t, p.insertFlat("/api/data/insert/t?", places[0], places[1], nested), http.StatusBadRequest, "bad_parameter")
			if !strings.HasPrefix(got.Detail, "flatten: ") || !strings.Contains(got.Detail, "multitable") || len(got.Detail) > 200 {
				t.Errorf("got detail %q, want it to say what is known", got.Detail)
			}
		}
	}
	p.wantNothingStored()
}

var rowIDs = regexp.MustCompile(`"__row_id":"([^"]*)"`)

// What was waited for is in all of its tables, under the ids that were answered, and one receipt tells of all rows.
func TestModesThatWereWaitedFor(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	for mode, rows := range flat {
		t.Run(mode, func(t *testing.T) {
			p.in(t)
			got := p.insert(mode+".t?ack=loaded&row_ids=true&flatten="+mode, "["+nested+",{\"__row_id\":\"mine\",\"c\":1}]")
			all := len(rows) + 1
			if got.State != transport.StateLoaded || got.Rows != all || len(got.RowIDs) != all {
				t.Errorf("got %+v, want %d rows loaded", got, all)
			}
			var stored []string
			for _, row := range p.one.rows() { // at once: nothing is waited for any more
				if strings.HasPrefix(row, mode+".") {
					stored = append(stored, rowIDs.FindStringSubmatch(row)[1])
				}
			}
			ids := slices.Clone(got.RowIDs)
			slices.Sort(ids)
			slices.Sort(stored)
			if !slices.Equal(ids, stored) || got.RowIDs[all-1] != "mine" {
				t.Errorf("got ids %q, the tables have %q", got.RowIDs, stored)
			}
			rec := p.receiptIs(got.Receipt, transport.StateLoaded)
			if rec.Rows != int64(all) || rec.BatchRows != int64(all) || rec.Table != mode+".t" {
				t.Errorf("got receipt %+v, want %d rows for t", rec, all)
			}
		})
	}
}

func TestMultitableIsLoadedWhenAllTablesAre(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	got := p.insert("s.orders?ack=loaded&flatten=multitable",
		`[{"order":7,"buyer":{"name":"Ann","tags":["a","b"]},"gift":[]},{"order":8,"id":"own","buyer":{"name":"Bob"}}]`)
	want := []string{
		`s.buyer: {"id":U,"orders_id":"own","name":"Bob"}`, `s.buyer: {"id":U,"orders_id":U,"name":"Ann"}`,
		`s.orders: {"id":U,"order":7}`, `s.orders: {"order":8,"id":"own"}`,
		`s.tags: {"id":U,"buyer_id":U,"tags":"a"}`, `s.tags: {"id":U,"buyer_id":U,"tags":"b"}`,
	}
	rows := p.one.rows()
	for i := range rows {
		rows[i] = plainRow(rows[i])
	}
	slices.Sort(rows)
	if !slices.Equal(rows, want) || got.Rows != len(want) {
		t.Errorf("got %+v and rows\n %s\nwant\n %s", got, strings.Join(rows, "\n "), strings.Join(want, "\n "))
	}
	if rec := p.receiptIs(got.Receipt, transport.StateLoaded); rec.Rows != 6 || rec.BatchRows != 6 || rec.Attempts != 1 {
		t.Errorf("got receipt %+v, want 6 rows at the first attempt", rec)
	}
	for _, c := range decode[shapeReply](t, p.do("GET", "/api/tables/s.tags/columns", "")).Columns {
		if rec := p.receiptIs(c.Receipt, transport.StateLoaded); rec.Table != "s.orders" {
			t.Errorf("column %s: got receipt %+v, want that of the whole insert", c.Name, rec)
		}
	}
}

func TestCapsOfModes(t *testing.T) {
	p := newPlant(t, setup{ingest: func(c *ingest.Config) {
		c.Limits.Rows, c.Limits.Tables, c.Limits.Depth = 3, 2, 5
	}})
	const good = `{"a":1}` + "\n"
	for _, tt := range []struct{ name, query, body, code, detail string }{
		{"rows", "flatten=vertical", good + `{"a":[1,2,3,4]}`, "too_many_rows", "more than 3 rows, at byte 20 (line 2)"},
		{"rows of a product", "flatten=explode", `[{"a":[1,2],"b":[1,2]}]`, "too_many_rows", "more than 3 rows"},
		{"tables", "flatten=multitable", good + `{"a":{},"b":{},"c":{}}`, "too_many_tables", "more than 2 other tables"},
		{"depth", "flatten=none", `{"a":{"a":{"a":{"a":{"a":{}}}}}}`, "too_deep", "more than 5 levels"},
		{"depth of arrays", "flatten=multitable", `{"a":[[[[[1]]]]]}`, "too_deep", "more than 5 levels"},
	} {
		for _, path := range []string{"/api/data/insert/t?", "/data?table=t&", "/data?"} {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				p.in(t)
				body, detail := tt.body, tt.detail
				if path == "/data?" {
					one := strings.TrimPrefix(body, good)
					body, detail = `{"data":`+one+`,"table":"t"}`, strings.Split(detail, ", at")[0]
				}
				got := wantProblem(t, p.do("POST", path+tt.query, body), http.StatusUnprocessableEntity, tt.code)
				if !strings.Contains(got.Detail, detail) || !strings.Contains(got.Detail, "at byte ") {
					t.Errorf("got detail %q, want %q and the place in it", got.Detail, detail)
				}
			})
		}
	}
	p.wantNothingStored()
	p.ship()
	p.load()
	if got := p.insert("t?wait=true&flatten=vertical", `{"a":[1,2,3]}`); got.Rows != 3 || p.one.Count("t") != 3 {
		t.Errorf("at the cap: got %+v and %d rows, want 3", got, p.one.Count("t"))
	}
}
