package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A query may end as people end theirs, when it is asked, shared or named; and what is none is refused in all three.
func TestEndingsOfQueries(t *testing.T) {
	r := serve(t, load(t, environ(t.TempDir())))
	share := func(sql string) (int, string) {
		body, _ := json.Marshal(map[string]string{"query": sql}) // a text is never refused
		return r.do("POST", "/api/data/query/share", string(body))
	}
	name := func(sql string) (int, string) {
		body, _ := json.Marshal(map[string]string{"query": sql})
		return r.do("PUT", "/api/queries/q", string(body))
	}
	for sql, want := range map[string]string{
		"select 1 as n":                          "n\n1\n",
		"select 1 as n;; \n":                     "n\n1\n",
		"select 1 as n; -- note":                 "n\n1\n",
		"select 1 as n -- note; and more":        "n\n1\n",
		"select 1 as n; /* note; */ ; -- note":   "n\n1\n",
		"/* note; */ ; select $$;--$$ as n ;":    "n\n;--\n",
		`select e'\'; --' as n; --`:              "n\n'; --\n",
		"select bit '101' as n; -- sent as text": "n\n101\n",
	} {
		r.query(sql, want)
		status, text := share(sql)
		var made struct {
			ID  string
			URL string
		}
		if err := json.Unmarshal([]byte(text), &made); status != http.StatusOK || err != nil {
			t.Errorf("share %q: got %d %s", sql, status, text)
			continue
		}
		r.gives("/share/"+made.ID+"/data.csv", want)
		if status, page := r.do("GET", "/share/"+made.ID, ""); status != http.StatusOK || !strings.Contains(page, "<table") {
			t.Errorf("the page of %q: got %d %s, want its rows", sql, status, page)
		}
		if status, text := name(sql); status != http.StatusOK && status != http.StatusCreated {
			t.Errorf("name %q: got %d %s", sql, status, text)
			continue
		}
		r.gives("/api/query/q?format=csv", want)
	}
	for sql, codes := range map[string]string{ // a second one is that of the SQL around what is shared or named
		"select 1; select 2 --":                  "multiple_statements",
		"select 1) t; drop table x; --":          "bad_sql",
		"select 1) t, (select 2":                 "bad_sql",
		"duckdb_tables a join duckdb_tables b":   "bad_sql",
		"select 1; drop table x":                 "multiple_statements",
		"drop table x; --":                       "not_a_select bad_sql",
		"select * from read_text('/etc/passwd')": "function_not_allowed",
		"; -- nothing":                           "bad_sql",
	} {
		for how, ask := range map[string]func(string) (int, string){"share": share, "name": name, "query": func(sql string) (int, string) {
			return r.do("GET", "/api/data/query?query="+url.QueryEscape(sql), "")
		}} {
			status, text := ask(sql)
			var p struct{ Code string }
			err := json.Unmarshal([]byte(text), &p)
			if status != http.StatusBadRequest && status != http.StatusForbidden || err != nil || !slices.Contains(strings.Fields(codes), p.Code) {
				t.Errorf("%s %q: got %d %s, want %s", how, sql, status, text, codes)
			}
		}
	}
	r.mustStop()
}

// gives wants path to answer want as CSV.
func (c *client) gives(path, want string) {
	c.t.Helper()
	if status, text := c.do("GET", path, ""); status != http.StatusOK || strings.ReplaceAll(text, "\r\n", "\n") != want {
		c.t.Errorf("%s\n got %d %q\nwant %q", path, status, text, want)
	}
}
