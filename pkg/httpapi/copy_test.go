package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/copier"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
)

// copyAnswers are answers with those of the queries that check them.
func copyAnswers() map[string]answer {
	all := answers()
	for _, sql := range []string{"three", "none", "many", "broken later"} {
		all[query.First(sql, 0)] = numbers(0, nil)
	}
	for _, sql := range []string{"wrong", "refused"} {
		all[query.First(sql, 0)] = all[sql]
	}
	return all
}

// counts lets the second destination say that a table has so many rows of a copy.
func (p *plant) counts(table string, rows int) {
	p.two.answers = map[string]answer{
		`SELECT count(*) AS "count" FROM "main"."` + table + `" AS t WHERE t."__batch_file" = $1`: func(_ context.Context, out result.Writer) error {
			return errors.Join(beginNumbers(out), writeNumber(out, rows), out.End())
		},
	}
}

// everywhere lets every destination be copied into.
func everywhere(_, _ string) bool { return true }

// startCopy begins a copy that must be accepted, and gives its job's id.
func (p *plant) startCopy(body string, headers ...string) string {
	p.t.Helper()
	r := p.do("POST", "/api/data/copy", body, headers...)
	made := decode[copyReply](p.t, r)
	if want := p.server.URL + "/api/jobs/" + made.JobID; r.status != http.StatusAccepted || len(made.JobID) != 26 || made.URL != want || r.header.Get("Location") != want {
		p.t.Fatalf("copy %s: got %d %v %s, want 202 and %s", body, r.status, r.header, r.body, want)
	}
	return made.JobID
}

func (p *plant) job(id string) copier.Report {
	p.t.Helper()
	r := p.do("GET", "/api/jobs/"+id, "")
	if r.status != http.StatusOK {
		p.t.Fatalf("job %s: got %d %s", id, r.status, r.body)
	}
	return decode[copier.Report](p.t, r)
}

func (p *plant) awaitJob(id, state string) (j copier.Report) {
	p.t.Helper()
	p.await("job "+id+" is "+state, func() bool {
		j = p.job(id)
		return j.State == state
	})
	return j
}

func TestCopies(t *testing.T) {
	p := newPlant(t, setup{answers: copyAnswers(), mayCopy: everywhere})
	for i, body := range []string{
		`{"query":"three","destination_id":"2","destination_table":"t0"}`,
		`{"query":"three","destination_id":2,"destination_table":"t1"}`,
		`{"query":"three","params":{"n":5,"s":"x"},"destination_id":2,"destination_table":"shop.t2"}`,
		`{"query":"three","destination_id":1,"destination_table":"t3"}`,
		`{"query":"none","destination_id":2,"destination_table":"t4"}`,
	} {
		id := p.startCopy(body)
		if j := p.job(id); j.State != "queued" || j.JobID != id || j.SourceID != "1" || j.RowsCounted != nil || j.StartedAt != nil || j.CreatedAt.IsZero() {
			t.Errorf("%s: got %+v, want it queued", body, j)
		}
		if i == 0 {
			p.counts("t0", 3)
			p.load()
			p.copy()
			p.awaitJob(id, "done")
			p.stop() // so that the others are seen before somebody works on them
			p.parts.Wait()
		}
	}
	rows := p.two.rows()
	if len(rows) != 3 || !strings.HasPrefix(rows[0], `t0: {"__row_id":"`) || !strings.HasSuffix(rows[2], `,"n":2}`) {
		t.Errorf("got %q, want three rows of t0", rows)
	}
}

// What a copy has come to is told, to those alone whose destination it asks.
func TestJobs(t *testing.T) {
	p := newPlant(t, setup{answers: copyAnswers(), mayCopy: everywhere})
	p.counts("t", 3)
	p.load()
	p.copy()
	first := p.startCopy(`{"query":"three","params":{"n":5},"destination_id":2,"destination_table":"t"}`)
	j := p.awaitJob(first, "done")
	if j.Query != "three" || j.DestinationID != "2" || j.DestinationTable != "t" || j.RowsRead != 3 || j.RowsWritten != 3 || j.BatchesWritten != 1 || j.FinishedAt == nil || j.Error != "" ||
		j.RowsCounted == nil || *j.RowsCounted != 3 || j.Difference == nil || *j.Difference != 0 {
		t.Errorf("got %+v", j)
	}
	p.one.mu.Lock()
	if got := shown(p.one.asked, nil); got != "[n=5]" {
		t.Errorf("got the parameters %s, want [n=5]", got)
	}
	p.one.mu.Unlock()
	second := p.startCopy(`{"query":"broken later","destination_id":2,"destination_table":"t"}`)
	if j := p.awaitJob(second, "failed"); j.Error != "internal error: the server's log has it, with the job "+second+"; nothing was loaded" {
		t.Errorf("got %q, want no secrets and that nothing was loaded", j.Error)
	}
	var ids []string
	for _, j := range decode[[]copier.Report](t, p.do("GET", "/api/jobs", "")) {
		ids = append(ids, j.JobID)
	}
	if !slices.Equal(ids, []string{second, first}) {
		t.Errorf("got the jobs %v, want %v", ids, []string{second, first})
	}
	if r := p.do("GET", "/api/jobs", "", "X-API-Key: "+keyTwo); r.body != "[]\n" {
		t.Errorf("another destination sees the jobs %s", r.body)
	}
	for _, path := range []string{"/api/jobs/" + first, "/api/jobs/none"} {
		for _, method := range []string{"GET", "DELETE"} {
			wantProblem(t, p.do(method, path, "", "X-API-Key: "+keyTwo), http.StatusNotFound, "unknown_job")
			wantProblem(t, p.send(method, path, nil), http.StatusUnauthorized, "no_key")
		}
	}
	if got := p.job(first); got.State != "done" || got.Canceling {
		t.Errorf("another's wish changed the job: %+v", got)
	}
}

func TestCopiesThatAreRefused(t *testing.T) {
	const to = `"destination_id":2,"destination_table":"t"`
	p := newPlant(t, setup{answers: copyAnswers(), mayCopy: func(source, _ string) bool { return source == "1" }})
	for _, tt := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"no JSON", "select 1", 400, "invalid_json"},
		{"two bodies", `{"query":"three",` + to + `} {}`, 400, "invalid_json"},
		{"an unknown member", `{"sql":"three",` + to + `}`, 400, "invalid_json"},
		{"a query that is no text", `{"query":3,` + to + `}`, 400, "invalid_json"},
		{"no query", `{` + to + `}`, 400, "no_query"},
		{"an empty query", `{"query":" \n",` + to + `}`, 400, "no_query"},
		{"no destination", `{"query":"three","destination_table":"t"}`, 400, "no_destination"},
		{"null as destination", `{"query":"three","destination_id":null,"destination_table":"t"}`, 400, "no_destination"},
		{"an empty destination", `{"query":"three","destination_id":"","destination_table":"t"}`, 400, "no_destination"},
		{"true as destination", `{"query":"three","destination_id":true,"destination_table":"t"}`, 400, "invalid_json"},
		{"an unknown destination", `{"query":"three","destination_id":9,"destination_table":"t"}`, 400, "unknown_destination"},
		{"a fraction as destination", `{"query":"three","destination_id":2.0,"destination_table":"t"}`, 400, "unknown_destination"},
		{"no table", `{"query":"three","destination_id":2}`, 400, "bad_table_name"},
		{"a bad table", `{"query":"three","destination_id":2,"destination_table":"a.b.c"}`, 400, "bad_table_name"},
		{"a table that is a path", `{"query":"three","destination_id":2,"destination_table":"../t"}`, 400, "bad_table_name"},
		{"a query that is wrong", `{"query":"wrong",` + to + `}`, 400, "invalid_sql"},
		{"no SELECT", `{"query":"refused",` + to + `}`, 403, "read_only_query"},
		{"a parameter that is wrong", `{"query":"three","params":{"a":{}},` + to + `}`, 400, "bad_param"},
		{"params that are no object", `{"query":"three","params":[1],` + to + `}`, 400, "invalid_json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			wantProblem(t, p.do("POST", "/api/data/copy", tt.body), tt.status, tt.code)
		})
	}
	const good = `{"query":"three",` + to + `}`
	wantProblem(t, p.send("POST", "/api/data/copy", strings.NewReader(good)), 401, "no_key")
	wantProblem(t, p.send("POST", "/api/data/copy", strings.NewReader(good), "X-API-Key: "+noKey), 401, "unknown_key")
	denied := p.do("POST", "/api/data/copy", `{"query":"three","destination_id":1,"destination_table":"t"}`, "X-API-Key: "+keyTwo)
	if got := wantProblem(t, denied, 403, "copy_not_allowed"); !strings.Contains(got.Detail, "copy_from") {
		t.Errorf("got %q, want the setting's name", got.Detail)
	}
	wantProblem(t, p.do("GET", "/api/data/copy", ""), 405, "method_not_allowed")
	wantProblem(t, p.send("GET", "/api/jobs", nil), 401, "no_key")
	if r := p.do("GET", "/api/jobs", ""); r.body != "[]\n" {
		t.Errorf("got the jobs %s, want none", r.body)
	}
}

func TestCopiesAreReadOnlyWhenTheServerIs(t *testing.T) {
	p := newPlant(t, setup{answers: copyAnswers(), mayCopy: everywhere, api: func(c *Config) { c.ReadOnly = true }})
	wantProblem(t, p.do("POST", "/api/data/copy", `{"query":"three","destination_id":2,"destination_table":"t"}`), http.StatusForbidden, "read_only")
	wantProblem(t, p.do("DELETE", "/api/jobs/x", ""), http.StatusForbidden, "read_only")
	if r := p.do("GET", "/api/jobs", ""); r.status != http.StatusOK || r.body != "[]\n" {
		t.Errorf("got %d %s, want no jobs", r.status, r.body)
	}
}

// A copy that nobody works on is canceled at once, one that somebody works on soon.
func TestJobsAreCanceled(t *testing.T) {
	all := copyAnswers()
	told := make(chan error, 1)
	all["endless"], all[query.First("endless", 0)] = endless(told), numbers(0, nil)
	p := newPlant(t, setup{answers: all, mayCopy: everywhere})
	queued := p.startCopy(`{"query":"three","destination_id":2,"destination_table":"t"}`)
	for range 2 {
		r := p.do("DELETE", "/api/jobs/"+queued, "")
		if j := decode[copier.Report](t, r); r.status != http.StatusOK || j.State != "canceled" || j.Canceling || j.FinishedAt == nil {
			t.Errorf("got %d %s, want it canceled", r.status, r.body)
		}
	}
	p.load()
	p.copy()
	id := p.startCopy(`{"query":"endless","destination_id":2,"destination_table":"t"}`)
	p.await("rows are read", func() bool { return p.job(id).RowsRead > 0 })
	r := p.do("DELETE", "/api/jobs/"+id, "")
	if j := decode[copier.Report](t, r); r.status != http.StatusAccepted || j.State != "reading" || !j.Canceling {
		t.Errorf("got %d %s, want it reading and canceling", r.status, r.body)
	}
	if err := <-told; err == nil {
		t.Error("the query was not broken off")
	}
	if j := p.awaitJob(id, "canceled"); j.Error != "canceled; nothing was loaded" || j.Canceling || j.RowsWritten != 0 {
		t.Errorf("got %+v", j)
	}
	if left := p.files("copy"); len(left) > 0 || len(p.two.rows()) > 0 {
		t.Errorf("the files %q and the rows %q are left", left, p.two.rows())
	}
}

func TestDestinationIDs(t *testing.T) {
	for in, want := range map[string]string{`"2"`: "2", `2`: "2", `"a-b_c"`: "a-b_c", `12345678901234567890`: "12345678901234567890", `null`: "", `-1`: "-1", `"\u0061"`: "a",
		`[]`: "error", `{}`: "error", `false`: "error"} {
		var id destinationID
		got := "error"
		if err := json.Unmarshal([]byte(in), &id); err == nil {
			got = string(id)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// Many copies are listed newest first, the latest thousand.
func TestManyJobsAreListed(t *testing.T) {
	p := newPlant(t, setup{answers: copyAnswers(), mayCopy: everywhere})
	var last string
	for i := range 20 {
		last = p.startCopy(fmt.Sprintf(`{"query":"three","destination_id":2,"destination_table":"t%d"}`, i))
	}
	list := decode[[]copier.Report](t, p.do("GET", "/api/jobs", ""))
	if len(list) != 20 || list[0].JobID != last || list[19].DestinationTable != "t0" {
		t.Errorf("got %d jobs from %+v on, want 20 from %s on", len(list), list[0], last)
	}
}
