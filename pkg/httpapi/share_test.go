package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// shareAnswers are answers with those of the queries that check and preview them.
func shareAnswers() map[string]answer {
	all := answers()
	for _, sql := range []string{"three", "many", "wrong", "broken"} {
		all[query.First(sql, 0)], all[query.First(sql, previewRows+1)] = all[sql], all[sql]
	}
	all[query.First("three", 0)] = numbers(0, nil)
	all[query.First("many", 0)], all[query.First("many", previewRows+1)] = numbers(0, nil), numbers(previewRows+1, nil)
	all["<b>"], all[query.First("<b>", 0)], all[query.First("<b>", previewRows+1)] = numbers(1, nil), numbers(0, nil), numbers(1, nil)
	return all
}

func (p *plant) share(body string) shareReply {
	p.t.Helper()
	r := p.do("POST", "/api/data/query/share", body)
	if r.status != http.StatusOK {
		p.t.Fatalf("share %s: got %d %s", body, r.status, r.body)
	}
	return decode[shareReply](p.t, r)
}

// path is a share's URL without the server's own part.
func (p *plant) path(url string) string {
	p.t.Helper()
	path, ok := strings.CutPrefix(url, p.server.URL)
	if !ok {
		p.t.Errorf("the URL %s is not one of %s", url, p.server.URL)
	}
	return path
}

func TestShares(t *testing.T) {
	p := newPlant(t, setup{answers: shareAnswers()})
	made := p.share(`{"query":"three","duration":3600,"name":"Three <rows>","params":{"n":5}}`)
	if left := time.Until(made.ExpiresAt); left < 59*time.Minute || left > time.Hour || len(made.ID) < 26 {
		t.Errorf("got %+v, want an hour and an id that cannot be guessed", made)
	}
	for format, want := range map[string]string{"json": threeRows, "ndjson": "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n", "csv": "n\r\n0\r\n1\r\n2\r\n"} {
		r := p.send("GET", p.path(made.URLs[format]), nil)
		if r.status != http.StatusOK || r.body != want || r.trailer.Get(statusTrailer) != "complete" {
			t.Errorf("%s: got %d %q %v, want %q", format, r.status, r.body, r.trailer, want)
		}
		if got := r.header.Get("Content-Disposition"); got != `inline; filename="Three--rows.`+format+`"` {
			t.Errorf("%s: got the file name %s", format, got)
		}
		p.one.mu.Lock()
		if got := shown(p.one.asked, nil); got != "[n=5]" {
			t.Errorf("%s: got the parameters %s", format, got)
		}
		p.one.mu.Unlock()
	}
	r := p.send("GET", p.path(made.URL), nil)
	for _, want := range []string{"<h1>Three &lt;rows&gt;</h1>", `href="/share/` + made.ID + `/data.parquet"`, "<th scope=\"col\">n</th>", "<td>2</td>"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the page has no %s:\n%s", want, r.body)
		}
	}
	if r.status != http.StatusOK || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") || !strings.Contains(r.header.Get("Content-Security-Policy"), "default-src 'none'") ||
		strings.Contains(r.body, "http://") || strings.Contains(r.body, "https://") {
		t.Errorf("got %d %v: want a page of its own", r.status, r.header)
	}
}

func TestSharesWithoutNameOrDuration(t *testing.T) {
	p := newPlant(t, setup{answers: shareAnswers()})
	made := p.share(`{"query":"many"}`)
	if left := time.Until(made.ExpiresAt); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("got %v, want a day", left)
	}
	r := p.send("GET", p.path(made.URL), nil)
	if !strings.Contains(r.body, "first rows") || strings.Contains(r.body, fmt.Sprintf("<td>%d</td>", previewRows)) || !strings.Contains(r.body, fmt.Sprintf("<td>%d</td>", previewRows-1)) {
		t.Errorf("the page does not have the first %d rows:\n%s", previewRows, r.body)
	}
	if r := p.send("GET", p.path(made.URL)+"/data.csv", nil); r.status != 200 || r.header.Get("Content-Disposition") != `inline; filename="data.csv"` {
		t.Errorf("got %d %v", r.status, r.header)
	}
}

// TestSharesShowRowsOfNull: a row whose only value is NULL is an empty line of CSV, but a row of the page as others are.
func TestSharesShowRowsOfNull(t *testing.T) {
	nulls := func(_ context.Context, out result.Writer) error {
		text := vector.Type{Kind: vector.Text}
		v := &vector.Vector{Type: text, Texts: []string{"", "a", "", "", "b\r\n\r\nc", ""}, Valid: []uint64{0b010010}}
		return errors.Join(out.Begin([]vector.Field{{Name: "x", Type: text}}), out.Write(&vector.Batch{Rows: 6, Cols: []*vector.Vector{v}}), out.End())
	}
	p := newPlant(t, setup{answers: map[string]answer{"nulls": nulls, query.First("nulls", 0): numbers(0, nil), query.First("nulls", previewRows+1): nulls}})
	r := p.send("GET", p.path(p.share(`{"query":"nulls"}`).URL), nil)
	row := func(text string) string { return "<tr><td>" + text + "</td></tr>" }
	if want := row("") + row("a") + row("") + row("") + row("b\n\nc") + row(""); !strings.Contains(r.body, want) {
		t.Errorf("the page has not the rows %s:\n%s", want, r.body)
	}
}

func TestSharesThatAreRefused(t *testing.T) {
	p := newPlant(t, setup{answers: shareAnswers()})
	for _, tt := range []struct{ name, body, code string }{
		{"no JSON", "select 1", "invalid_json"},
		{"an unknown member", `{"query":"three","durations":5}`, "invalid_json"},
		{"no query", `{"duration":5}`, "no_query"},
		{"no time", `{"query":"three","duration":0}`, "bad_duration"},
		{"a negative time", `{"query":"three","duration":-5}`, "bad_duration"},
		{"too long a time", `{"query":"three","duration":9223372036854775807}`, "bad_duration"},
		{"a fraction", `{"query":"three","duration":1.5}`, "invalid_json"},
		{"too long a name", `{"query":"three","name":"` + strings.Repeat("n", 201) + `"}`, "bad_name"},
		{"a name with a line feed", `{"query":"three","name":"a\nb"}`, "bad_name"},
		{"a query that is wrong", `{"query":"wrong"}`, "invalid_sql"},
		{"a parameter that is wrong", `{"query":"three","params":{"a":[]}}`, "bad_param"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			wantProblem(t, p.do("POST", "/api/data/query/share", tt.body), http.StatusBadRequest, tt.code)
		})
	}
	wantProblem(t, p.send("POST", "/api/data/query/share", strings.NewReader(`{"query":"three"}`)), http.StatusUnauthorized, "no_key")
	if r := p.do("GET", "/api/shares", ""); r.body != "[]\n" {
		t.Errorf("got the shares %s, want none", r.body)
	}
	readOnly := newPlant(t, setup{answers: shareAnswers(), api: func(c *Config) { c.ReadOnly = true }})
	wantProblem(t, readOnly.do("POST", "/api/data/query/share", `{"query":"three"}`), http.StatusForbidden, "read_only")
}

func TestSharesAreListedAndRevoked(t *testing.T) {
	p := newPlant(t, setup{answers: shareAnswers()})
	first, second := p.share(`{"query":"three","name":"first"}`), p.share(`{"query":"many"}`)
	list := decode[[]shareReply](t, p.do("GET", "/api/shares", ""))
	if len(list) != 2 || list[0].ID != second.ID || list[1].ID != first.ID || list[1].Query != "three" || list[1].Name != "first" || list[1].URL != first.URL {
		t.Errorf("got %+v, want the second and the first", list)
	}
	if r := p.do("GET", "/api/shares", "", "X-API-Key: "+keyTwo); r.body != "[]\n" {
		t.Errorf("another destination sees the shares %s", r.body)
	}
	wantProblem(t, p.do("DELETE", "/api/shares/"+first.ID, "", "X-API-Key: "+keyTwo), http.StatusNotFound, "unknown_share")
	if r := p.do("DELETE", "/api/shares/"+first.ID, ""); r.status != http.StatusNoContent || r.body != "" {
		t.Errorf("got %d %s, want 204", r.status, r.body)
	}
	for _, path := range []string{p.path(first.URL), p.path(first.URL) + "/data.json", "/share/" + strings.Repeat("A", 26) + "/data.csv"} {
		wantProblem(t, p.send("GET", path, nil), http.StatusNotFound, "unknown_share")
	}
	wantProblem(t, p.do("DELETE", "/api/shares/"+first.ID, ""), http.StatusNotFound, "unknown_share")
	if r := p.send("GET", p.path(second.URL), nil); r.status != http.StatusOK {
		t.Errorf("the other share: got %d", r.status)
	}
}

func TestSharedFilesThatAreNot(t *testing.T) {
	p := newPlant(t, setup{answers: shareAnswers()})
	path := p.path(p.share(`{"query":"three"}`).URL)
	wantProblem(t, p.send("GET", path+"/data.xlsx", nil), http.StatusBadRequest, "unknown_format")
	for _, file := range []string{"/data", "/data.", "/other.json", "/data.json/x"} {
		wantProblem(t, p.send("GET", path+file, nil), http.StatusNotFound, "no_route")
	}
	wantProblem(t, p.send("POST", path, nil), http.StatusMethodNotAllowed, "method_not_allowed")
}

// A share ends on time, and its page and data say so.
func TestSharesExpire(t *testing.T) {
	p := newPlant(t, setup{answers: shareAnswers()})
	made := p.share(`{"query":"three","duration":1}`)
	path := p.path(made.URL)
	p.await("the share has ended", func() bool {
		r := p.send("GET", path+"/data.json", nil)
		if early := time.Now().Before(made.ExpiresAt); r.status != http.StatusOK && early {
			t.Errorf("got %d %s before its end", r.status, r.body)
		}
		return r.status == http.StatusGone
	})
	for _, path := range []string{path, path + "/data.json"} {
		wantProblem(t, p.send("GET", path, nil), http.StatusGone, "share_expired")
	}
	if r := p.do("GET", "/api/shares", ""); r.body != "[]\n" {
		t.Errorf("after its end it is listed: %s", r.body)
	}
}
