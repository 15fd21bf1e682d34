package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// valueWays are the ways by which the value of a parameter comes in. Each answers with the value, as {"v":value}.
var valueWays = []struct {
	name string
	send func(b *besieged, value string) answer
}{
	{"parameter of a POST", func(b *besieged, value string) answer {
		return b.send("POST", "/api/data/query", object{"query": "select $v as v", "params": object{"v": value}})
	}},
	{"parameter of a GET", func(b *besieged, value string) answer {
		return b.ask("GET", "/api/data/query?q=select+$v+as+v&param.v="+url.QueryEscape(value), "")
	}},
	{"parameter of a POST's URL", func(b *besieged, value string) answer {
		return b.ask("POST", "/api/data/query?param.v="+url.QueryEscape(value), "select v from (values ($v)) t(v) where v = $v")
	}},
	{"share", func(b *besieged, value string) answer {
		made := decode[struct{ URLs map[string]string }](b, b.send("POST", "/api/data/query/share", object{"query": "select $v as v", "params": object{"v": value}}))
		return b.ask("GET", strings.TrimPrefix(made.URLs["json"], b.url), "")
	}},
	{"named query", func(b *besieged, value string) answer {
		b.name("text", object{"query": "select $v as v", "params": []object{{"name": "v"}}})
		return b.ask("GET", "/api/query/text?v="+url.QueryEscape(value), "")
	}},
	{"default of a named query", func(b *besieged, value string) answer {
		b.name("default", object{"query": "select $v as v", "description": value, "params": []object{{"name": "v", "default": value, "description": value}}})
		return b.ask("GET", "/api/query/default", "")
	}},
	{"public link", func(b *besieged, value string) answer {
		link := b.name("public", object{"query": "select $v as v", "public": true, "params": []object{{"name": "v"}}})
		return b.ask("GET", link+"?v="+url.QueryEscape(value), "")
	}},
	{"fixed value of a public link", func(b *besieged, value string) answer {
		link := b.name("fixed", object{"query": "select $v as v", "public": true, "params": []object{{"name": "v"}}, "fixed": object{"v": value}})
		return b.ask("GET", link, "")
	}},
	{"alias of a PostgREST request", func(b *besieged, value string) answer { // the other way round: the name is the value
		a := b.ask("GET", "/api/rest/victim?n=eq.1&limit=1&select="+url.QueryEscape(inQuotes(value)+":n"), "")
		rows := decode[[]map[string]int](b, a)
		for name := range rows[0] {
			a.body = jsonText(b.t, []object{{"v": name}})
		}
		return a
	}},
}

// decode reads an answer that is no refusal.
func decode[T any](b *besieged, a answer) (v T) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status > 299 {
		b.t.Fatalf("got %d %.300q, %v", a.status, a.body, err)
	}
	return v
}

// name saves a named query and gives the path of its public link.
func (b *besieged) name(name string, o object) string {
	b.t.Helper()
	saved := decode[struct {
		PublicURL string `json:"public_url"`
	}](b, b.send("PUT", "/api/queries/"+name, o))
	return strings.TrimPrefix(saved.PublicURL, b.url)
}

// inQuotes is a name as PostgREST's grammar has it.
func inQuotes(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestValueAttacks sends each text as a value: it must come back as it was, and nothing else.
func TestValueAttacks(t *testing.T) {
	b := besiege(t)
	before := b.state()
	for _, a := range readAttacks(t, "value") {
		value := b.fill.Replace(a.text)
		for _, way := range valueWays {
			t.Run(way.name+" "+a.name, func(t *testing.T) {
				b := b.in(t)
				got := way.send(b, value)
				if rows := decode[[]map[string]string](b, got); len(rows) != 1 || len(rows[0]) != 1 || rows[0]["v"] != value {
					t.Errorf("got %.300q, want the value %.200q", got.body, value)
				}
			})
		}
		for _, filter := range []string{"name=eq.%", "name=in.(x,%)", "name=eq(any).{%,x}", "or=(name.eq.%,name.in.(%))", "and=(not.or(name.isdistinct.%))"} {
			t.Run(filter+" "+a.name, func(t *testing.T) {
				key, condition, _ := strings.Cut(filter, "=")
				v := value
				if !strings.HasSuffix(condition, "%") {
					v = inQuotes(value)
				}
				got := b.in(t).ask("GET", "/api/rest/victim?"+key+"="+url.QueryEscape(strings.ReplaceAll(condition, "%", v)), "")
				if got.status != http.StatusOK || got.body != "[]\n" {
					t.Errorf("got %d %.300q, want no rows", got.status, got.body)
				}
			})
		}
	}
	b.wantSame(before)
	b.mustStop()
}

// TestTypedParameterAttacks sends each text as the value of a parameter of each other type than text: by whatever way, it is
// refused before there is a query, unless it is a value of that type.
func TestTypedParameterAttacks(t *testing.T) {
	b := besiege(t)
	before := b.state()
	values := map[string]string{"float": "9223372036854775808"} // that is one
	for _, kind := range []string{"int", "float", "bool", "date", "timestamp"} {
		link := b.name(kind, object{"query": "select $v as v", "public": true, "params": []object{{"name": "v", "type": kind}}})
		for _, a := range readAttacks(t, "value") {
			value := b.fill.Replace(a.text)
			if value == values[kind] {
				continue
			}
			t.Run(kind+" "+a.name, func(t *testing.T) {
				b := b.in(t)
				for _, path := range []string{"/api/query/" + kind, link} {
					b.want(b.ask("GET", path+"?v="+url.QueryEscape(value), ""), http.StatusBadRequest, "bad_param")
				}
				params := []object{{"name": "v", "type": kind, "default": value}}
				b.want(b.send("PUT", "/api/queries/"+kind, object{"query": "select $v as v", "params": params}), http.StatusBadRequest, "bad_param")
				fixed := object{"query": "select $v as v", "public": true, "params": []object{{"name": "v", "type": kind}}, "fixed": object{"v": value}}
				b.want(b.send("PUT", "/api/queries/"+kind, fixed), http.StatusBadRequest, "bad_param")
			})
		}
	}
	b.wantSame(before)
	b.mustStop()
}

// want compares an answer's status and code.
func (b *besieged) want(a answer, status int, code string) {
	b.t.Helper()
	if a.status != status || a.code != code {
		b.t.Errorf("got %d %.300q, want %d %s", a.status, a.body, status, code)
	}
}
