package httpapi

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Dialect lets the shelf be asked as PostgREST is.
func (s *shelf) Dialect() postgrest.Dialect { return postgrest.DuckDB{} }

// restAnswers answers the SQL of requests for the table people, which has the column n, with rows rows of matching ones.
func restAnswers(t *testing.T, rows map[string]int, matching int) map[string]answer {
	t.Helper()
	table, err := schema.ParseTable("people")
	if err != nil {
		t.Fatal(err)
	}
	cols := []schema.Column{{Name: schema.RowID, Kind: schema.Text}, {Name: schema.BatchFile, Kind: schema.Text}, {Name: "n", Kind: schema.Int}}
	all := map[string]answer{}
	for query, n := range rows {
		stmt, err := postgrest.Translate(postgrest.Request{Query: query, Prefer: "count=exact"}, table, cols, postgrest.DuckDB{})
		if err != nil {
			t.Fatal(err)
		}
		all[stmt.SQL] = numbers(n, nil)
		all[stmt.Count] = one(matching)
	}
	return all
}

// one answers with the number n.
func one(n int) answer {
	return func(_ context.Context, out result.Writer) error {
		return errors.Join(beginNumbers(out), writeNumber(out, n), out.End())
	}
}

func TestRest(t *testing.T) {
	all := restAnswers(t, map[string]int{"select=n": 3, "select=n&limit=1": 1, "select=n&limit=2&offset=2": 1, "select=n&offset=3": 0, "select=n&offset=3&limit=5": 0}, 3)
	maps.Copy(all, restAnswers(t, map[string]int{"select=n&n=gt.9": 0}, 0))
	p := newPlant(t, setup{answers: all})
	p.ship()
	p.load()
	p.insert("people?wait=true", `{"n":1}`)
	for _, tt := range []struct {
		name, query string
		headers     []string
		status      int
		body        string
		ranged      string // Content-Range
	}{
		{"all", "select=n", nil, 200, threeRows, ""},
		{"counted", "select=n", []string{"Prefer: count=exact"}, 200, threeRows, "0-2/3"},
		{"a part", "select=n&limit=1", []string{"Prefer: count=exact"}, 206, "[\n{\"n\":0}\n]\n", "0-0/3"},
		{"the last part", "select=n&limit=2&offset=2", []string{"Prefer: count=exact"}, 206, "[\n{\"n\":0}\n]\n", "2-2/3"},
		{"just past the last", "select=n&offset=3", []string{"Prefer: count=exact"}, 206, "[]\n", "*/3"},
		{"a page just past the last", "select=n&limit=5&offset=3", []string{"Prefer: count=exact"}, 206, "[]\n", "*/3"},
		{"of none", "select=n&n=gt.9", []string{"Prefer: count=exact"}, 200, "[]\n", "*/0"},
		{"as csv", "select=n&limit=1", []string{"Accept: text/csv"}, 200, "n\r\n0\r\n", ""},
		{"by format", "select=n&limit=1&format=ndjson", nil, 200, "{\"n\":0}\n", ""},
		{"one object", "select=n&limit=1", []string{"Accept: application/vnd.pgrst.object+json"}, 200, `{"n":0}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			r := p.do("GET", "/api/rest/people?"+tt.query, "", tt.headers...)
			if r.status != tt.status || r.body != tt.body || r.header.Get("Content-Range") != tt.ranged {
				t.Errorf("got %d %q, Content-Range %q, want %d %q, %q", r.status, r.body, r.header.Get("Content-Range"), tt.status, tt.body, tt.ranged)
			}
		})
	}
}

// TestRestHead: HEAD has the status and the headers of GET, and no body, whether or not the rows are counted.
func TestRestHead(t *testing.T) {
	all := restAnswers(t, map[string]int{"select=n": 3, "select=n&limit=1": 1}, 3)
	p := newPlant(t, setup{answers: all})
	p.ship()
	p.load()
	p.insert("people?wait=true", `{"n":1}`)
	for _, tt := range []struct {
		name, query string
		headers     []string
		status      int
	}{
		{"all", "select=n", nil, 200},
		{"counted", "select=n", []string{"Prefer: count=exact"}, 200},
		{"a part", "select=n&limit=1", []string{"Prefer: count=exact"}, 206},
		{"compressed", "select=n&limit=1", []string{"Prefer: count=exact", "Accept-Encoding: gzip"}, 206},
		{"as csv", "select=n&format=csv", nil, 200},
		{"one object", "select=n&limit=1", []string{"Accept: application/vnd.pgrst.object+json"}, 200},
		{"a query that the database refuses", "select=n&n=lt.9", nil, 400},
		{"no such format", "select=n&format=xml", []string{"Prefer: count=exact"}, 400},
		{"several rows as one", "select=n", []string{"Accept: application/vnd.pgrst.object+json", "Prefer: count=exact"}, 406},
		{"past the end", "select=n&offset=9", []string{"Prefer: count=exact"}, 416},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			get, head := p.do("GET", "/api/rest/people?"+tt.query, "", tt.headers...), p.do("HEAD", "/api/rest/people?"+tt.query, "", tt.headers...)
			if get.status != tt.status || head.status != tt.status || head.body != "" || head.err != nil {
				t.Errorf("got %d for GET, %d %q %v for HEAD, want %d", get.status, head.status, head.body, head.err, tt.status)
			}
			for _, name := range []string{"Content-Type", "Content-Range", "Content-Encoding", "Cache-Control", "Vary"} {
				if got, want := head.header.Get(name), get.header.Get(name); got != want {
					t.Errorf("%s: got %q, want GET's %q", name, got, want)
				}
			}
		})
	}
}

func TestRestRefuses(t *testing.T) {
	all := restAnswers(t, map[string]int{"select=n": 3, "select=n&offset=4": 0}, 3)
	maps.Copy(all, restAnswers(t, map[string]int{"select=n&n=gt.9": 0}, 0))
	for query, a := range map[string]answer{"select=n&limit=7": numbers(0, errors.New("password=hunter2")), "select=n&limit=8": panicking(0)} {
		for sql := range restAnswers(t, map[string]int{query: 0}, 0) {
			if _, counts := all[sql]; !counts { // the SQL that counts is the same for all
				all[sql] = a
			}
		}
	}
	p := newPlant(t, setup{answers: all})
	p.ship()
	p.load()
	p.insert("people?wait=true", `{"n":1}`)
	for _, tt := range []struct {
		name, path string
		headers    []string
		status     int
		code, hint string
	}{
		{"no such table", "nobody?n=eq.1", nil, 404, "unknown_table", ""},
		{"a bad table", "a'b?n=eq.1", nil, 400, "bad_table_name", ""},
		{"no such column", "people?somewhere=eq.1", nil, 400, "unknown_column", ""},
		{"a column of another name", "people?select=__rowid", nil, 400, "unknown_column", `perhaps you meant the column "__row_id"`},
		{"no such operator", "people?n=is1.5", nil, 400, "unknown_operator", ""},
		{"no such format", "people?select=n&format=xml", nil, 400, "unknown_format", ""},
		{"past the end", "people?select=n&offset=4", []string{"Prefer: count=exact"}, 416, "range_not_satisfiable", ""},
		{"past the end of none", "people?n=gt.9&offset=1", []string{"Prefer: count=exact"}, 416, "range_not_satisfiable", ""},
		{"several rows as one", "people?select=n", []string{"Accept: application/vnd.pgrst.object+json"}, 406, "not_one_row", ""},
		{"a failure inside", "people?select=n&limit=7", nil, 500, "internal", ""},
		{"a panic", "people?select=n&limit=8", nil, 500, "internal", ""},
		{"no such path", "people/n", nil, 404, "no_route", ""},
		{"no table", "", nil, 404, "no_route", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			r := p.do("GET", "/api/rest/"+tt.path, "", append(tt.headers, "Origin: https://app.example")...)
			wantRestProblem(t, r, tt.status, tt.code, tt.hint)
			if got := r.header.Get("Access-Control-Allow-Origin"); got != "*" {
				t.Errorf("got origin %q, want *", got)
			}
		})
	}
	wantRestProblem(t, p.send("GET", "/api/rest/people?select=n", nil), http.StatusUnauthorized, "no_key", "")
	wantRestProblem(t, p.do("POST", "/api/rest/people", "{}"), http.StatusMethodNotAllowed, "method_not_allowed", "")
	if r := p.do("HEAD", "/api/rest/people?m=eq.1", ""); r.status != http.StatusBadRequest || r.body != "" {
		t.Errorf("HEAD: got %d %q", r.status, r.body)
	}
}
