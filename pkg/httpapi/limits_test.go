package httpapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/account"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// together answers with as many rows, all in one batch.
func together(rows int) answer {
	return func(_ context.Context, out result.Writer) error {
		col := &vector.Vector{Type: numberType, Ints: make([]int64, rows)}
		return errors.Join(beginNumbers(out), out.Write(&vector.Batch{Rows: rows, Cols: []*vector.Vector{col}}), out.End())
	}
}

// unhurried answers like next, if the query has hours for it.
func unhurried(next answer) answer {
	return func(ctx context.Context, out result.Writer) error {
		if end, ok := ctx.Deadline(); ok && time.Until(end) < time.Hour {
			return errors.New("there is not enough time")
		}
		return next(ctx, out)
	}
}

// Each destination has limits of its own. Of the same two queries, the first destination's is refused or cut, and the
// second's is whole.
func TestLimitsOfOneDestination(t *testing.T) {
	roomy := query.Limits{Timeout: 2 * time.Hour, Rows: 3, Bytes: 1000}
	told := make(chan error, 4) // has room for two queries of both setups: nobody reads it
	whole := map[string]answer{"at once": unhurried(together(3)), "later": unhurried(numbers(3, nil))}
	for _, tt := range []struct {
		name   string
		strict query.Limits
		first  map[string]answer
		code   string
		detail string
	}{
		{"seconds", query.Limits{Timeout: 20 * time.Millisecond}, map[string]answer{"at once": waiting(0, told), "later": waiting(1, told)},
			"query_timeout", "20ms"},
		{"rows", query.Limits{Rows: 2}, whole, "result_too_large", "2 rows"},
		{"bytes", query.Limits{Bytes: 10}, whole, "result_too_large", "10 bytes"},
	} {
		for common, setup := range map[string]setup{
			"own limits of the first":  {limits: roomy, own: map[string]query.Limits{"1": tt.strict}, answers: tt.first, second: whole},
			"own limits of the second": {limits: tt.strict, own: map[string]query.Limits{"2": roomy}, answers: tt.first, second: whole},
		} {
			t.Run(tt.name+", "+common, func(t *testing.T) {
				p := newPlant(t, setup)
				got := wantProblem(t, p.do("POST", "/api/data/query?format=ndjson", "at once"), http.StatusUnprocessableEntity, tt.code)
				if !strings.Contains(got.Detail, tt.detail) {
					t.Errorf("got detail %q, want %q in it", got.Detail, tt.detail)
				}
				r := p.send("POST", "/api/data/query?format=ndjson", strings.NewReader("later"), "X-API-Key: "+keyOne)
				if r.status != http.StatusOK || !errors.Is(r.err, io.ErrUnexpectedEOF) || !strings.HasPrefix(r.body, `{"n":0}`) || r.trailer.Get(statusTrailer) != "" {
					t.Errorf("got %d %q and %v, want a cut answer", r.status, r.body, r.err)
				}
				if !p.log.has("request failed", "code="+tt.code, "request_id="+r.header.Get("X-Request-Id")) {
					t.Errorf("the log does not say why:\n%s", p.log)
				}
				for _, sql := range []string{"at once", "later"} {
					r := p.do("POST", "/api/data/query?format=ndjson", sql, "X-API-Key: "+keyTwo)
					if r.status != http.StatusOK || strings.Count(r.body, "\n") != 3 || r.trailer.Get(statusTrailer) != "complete" {
						t.Errorf("the second destination, %s: got %d %q, trailers %v, want 3 rows", sql, r.status, r.body, r.trailer)
					}
				}
			})
		}
	}
}

// A full destination refuses with 503 after ten seconds, and another one answers meanwhile. Time passes in a bubble, so
// the handler is called without a network.
func TestConcurrencyOfOneDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		gated := func(ctx context.Context, out result.Writer) error {
			<-open
			return numbers(1, nil)(ctx, out)
		}
		dests := destination.NewSet(destination.ByID{"1": newShelf(map[string]answer{"q": gated}), "2": newShelf(map[string]answer{"q": gated})})
		reg := prometheus.NewRegistry()
		quiet := slog.New(slog.DiscardHandler)
		runner := query.New(query.Limits{Concurrent: 3}, map[string]query.Limits{"1": {Concurrent: 1}}, dests, quiet, query.NewMetrics(reg))
		handler := New(DefaultConfig(), Deps{Log: quiet, Registry: reg, Query: runner,
			Keys: account.New(map[secret.String]string{keyOne: "1", keyTwo: "2"})}).Handler()
		ask := func(key string) *httptest.ResponseRecorder {
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/data/query?q=q", nil)
			r.Header.Set("X-Api-Key", key)
			handler.ServeHTTP(w, r)
			return w
		}
		var running sync.WaitGroup
		for _, key := range []string{keyOne, keyTwo, keyTwo, keyTwo} {
			running.Go(func() {
				if w := ask(key); w.Code != http.StatusOK {
					t.Errorf("one that runs: got %d %s", w.Code, w.Body)
				}
			})
		}
		synctest.Wait()
		for key, count := range map[string]string{keyOne: "1 queries", keyTwo: "3 queries"} {
			begun := time.Now()
			w := ask(key)
			reply := reply{status: w.Code, header: w.Header(), body: w.Body.String()}
			got := wantProblem(t, reply, http.StatusServiceUnavailable, "too_many_queries")
			if took := time.Since(begun); took != 10*time.Second || w.Header().Get("Retry-After") != "10" || !strings.Contains(got.Detail, count) {
				t.Errorf("got %q after %v with Retry-After %q, want %s after 10s with 10", got.Detail, took, w.Header().Get("Retry-After"), count)
			}
		}
		close(open)
		running.Wait()
		if w := ask(keyOne); w.Code != http.StatusOK {
			t.Errorf("afterwards: got %d %s", w.Code, w.Body)
		}
	})
}
