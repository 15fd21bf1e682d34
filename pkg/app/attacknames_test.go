package app

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// nameWays are the requests that name something. None has a name such as the corpus's.
var nameWays = []struct {
	name   string
	method string
	path   string // with % for the name as a part of a path, and @ for it as a value of a query
	body   func(name string) object
}{
	{"table of PostgREST", "GET", "/api/rest/%", nil},
	{"column of a filter", "GET", "/api/rest/victim?@=eq.1", nil},
	{"column in a list", "GET", "/api/rest/victim?or=(@.eq.1,name.eq.x)", nil},
	{"column in select", "GET", "/api/rest/victim?select=@", nil},
	{"column in order", "GET", "/api/rest/victim?order=@.desc", nil},
	{"type of a cast", "GET", "/api/rest/victim?select=name::@", nil},
	{"operator", "GET", "/api/rest/victim?name=@.1", nil},
	{"number of rows", "GET", "/api/rest/victim?limit=@", nil},
	{"number of skipped rows", "GET", "/api/rest/victim?offset=@", nil},
	{"integer of a filter", "GET", "/api/rest/victim?n=eq.@", nil},
	{"integer in a list", "GET", "/api/rest/victim?n=in.(1,@)", nil},
	{"columns of a table", "GET", "/api/tables/%/columns", nil},
	{"rescued values of a table", "GET", "/api/tables/%/rescued", nil},
	{"replay of rescued values", "POST", "/api/tables/%/rescued/replay", nil},
	{"format", "GET", "/api/data/query?q=select+1&format=@", nil},
	{"share", "GET", "/share/%", nil},
	{"share's data", "GET", "/share/%/data.csv", nil},
	{"share to revoke", "DELETE", "/api/shares/%", nil},
	{"query to run", "GET", "/api/query/%", nil},
	{"query to show", "GET", "/api/queries/%?version=1", nil},
	{"version of a query", "GET", "/api/query/q?version=@", nil},
	{"query to delete", "DELETE", "/api/queries/%", nil},
	{"public query", "GET", "/query/%", nil},
	{"receipt", "GET", "/api/receipts/%", nil},
	{"dead batch", "GET", "/api/dead/%", nil},
	{"dead batch to replay", "POST", "/api/dead/%/replay", nil},
	{"dead batch to drop", "DELETE", "/api/dead/%", nil},
	{"type of a parameter", "PUT", "/api/queries/q", func(name string) object {
		return object{"query": "select $v", "params": []object{{"name": "v", "type": name}}}
	}},
	{"name of a fixed value", "PUT", "/api/queries/q", func(name string) object {
		return object{"query": "select 1", "public": true, "fixed": object{name: "x"}}
	}},
	{"parameter that the query does not have", "POST", "/api/data/query", func(name string) object {
		return object{"query": "select 1", "params": object{name: "x"}}
	}},
	{"member of a query", "POST", "/api/data/query", func(name string) object { return object{"query": "select 1", name: 1} }},
	{"member of a share", "POST", "/api/data/query/share", func(name string) object { return object{"query": "select 1", name: 1} }},
}

// harmless are the texts that mean something where they are names: all columns, and an operator before its value.
var harmless = map[string]bool{"column in select a pattern with a star": true, "operator an operator": true}

// TestNameAttacks sends each text of the corpus as the name of each thing that has one. It is refused as the caller's
// mistake, and never becomes a part of something else.
func TestNameAttacks(t *testing.T) {
	b := besiege(t)
	before := b.state()
	b.name("q", object{"query": "select 1"})
	for _, a := range readAttacks(t, "value") {
		name := b.fill.Replace(a.text)
		for _, way := range nameWays {
			t.Run(way.name+" "+a.name, func(t *testing.T) {
				b := b.in(t)
				path := strings.NewReplacer("%", url.PathEscape(name), "@", url.QueryEscape(name)).Replace(way.path)
				var got answer
				if way.body == nil {
					got = b.ask(way.method, path, "")
				} else {
					got = b.send(way.method, path, way.body(name))
				}
				if got.status < http.StatusBadRequest && !harmless[way.name+" "+a.name] {
					t.Errorf("got %d %.300q, want a refusal", got.status, got.body)
				}
				if strings.Contains(way.path, "@") && strings.HasPrefix(way.name, "column") { // as a whole name it is unknown
					quoted := strings.ReplaceAll(way.path, "@", url.QueryEscape(inQuotes(name)))
					b.want(b.ask(way.method, quoted, ""), http.StatusBadRequest, "unknown_column")
				}
			})
		}
	}
	if got := b.ask("GET", "/api/queries", ""); !strings.HasPrefix(got.body, `[{"name":"q","version":1,"query":"select 1",`) || strings.Count(got.body, `"version"`) != 1 {
		t.Errorf("the queries are %.300q, want the one that was made", got.body)
	}
	b.wantSame(before)
	b.mustStop()
}

// plainName is what the data of a share may be called.
var plainName = regexp.MustCompile(`^inline; filename="[A-Za-z0-9_-]+[.]csv"$`)

// TestShareNameAttacks: the name of a share is shown on its page, and is a part of a header.
func TestShareNameAttacks(t *testing.T) {
	b := besiege(t)
	for _, a := range readAttacks(t, "value") {
		t.Run(a.name, func(t *testing.T) {
			b := b.in(t)
			name := b.fill.Replace(a.text)
			made := b.send("POST", "/api/data/query/share", object{"query": "select $v as v", "params": object{"v": name}, "name": name})
			if made.code == "bad_name" && (len(name) > 200 || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' })) {
				return
			}
			page := b.ask("GET", strings.TrimPrefix(decode[struct{ URL string }](b, made).URL, b.url), "")
			_, title, _ := strings.Cut(page.body, "<title>")
			title, _, _ = strings.Cut(title, "</title>")
			if strings.Contains(page.body, "<script") || html.UnescapeString(title) != name {
				t.Errorf("got the page %.600s, want the name as text", page.body)
			}
			data := b.ask("GET", strings.TrimPrefix(decode[struct{ URLs map[string]string }](b, made).URLs["csv"], b.url), "")
			if got := data.header.Get("Content-Disposition"); !plainName.MatchString(got) {
				t.Errorf("got the file name %q, want a plain one", got)
			}
		})
	}
	b.mustStop()
}

// TestRestAttacks sends the corpus's PostgREST requests.
func TestRestAttacks(t *testing.T) {
	b := besiege(t)
	before := b.state()
	for _, a := range readAttacks(t, "rest") {
		t.Run(a.name, func(t *testing.T) {
			b := b.in(t)
			table, query, _ := strings.Cut(b.fill.Replace(a.text), "?")
			b.want(b.ask("GET", "/api/rest/"+typed(strings.ReplaceAll(table, "/", "%2F"))+"?"+typed(query), ""), a.status, a.code)
		})
	}
	b.wantSame(before)
	b.mustStop()
}

// typed escapes what cannot stand in a URL, and leaves what has a meaning there.
func typed(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' || strings.IndexByte("\"<>\\^`{|}#+", c) >= 0 {
			b.WriteString(url.QueryEscape(string(rune(c))))
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
