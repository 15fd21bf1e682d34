package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
)

func TestCheckAsksForNoRows(t *testing.T) {
	var sql string
	var given []any
	d := asked{query: func(ctx context.Context, text string, args []any, out result.Writer) error {
		sql, given = text, args
		return numbers(2).query(ctx, text, args, out)
	}}
	r, _ := runner(query.DefaultLimits(), destination.ByID{"1": d})
	if err := r.Check(t.Context(), "1", "select $n; -- of all\n;", []any{destination.Named{Name: "n", Value: 5}}); err != nil {
		t.Fatal(err)
	}
	if want := "SELECT * FROM (\nselect $n\n) AS first_rows LIMIT 0"; sql != want || len(given) != 1 {
		t.Errorf("asked %q with %v, want %q", sql, given, want)
	}
	wrong := fault.New(fault.Invalid, "bad_sql", "no such table")
	r, _ = runner(query.DefaultLimits(), destination.ByID{"1": failing(wrong)})
	if err := r.Check(t.Context(), "1", "select 1", nil); !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v, want %v", err, wrong)
	}
	if err := r.Check(t.Context(), "2", "select 1", nil); !errors.Is(err, fault.NotFound) {
		t.Errorf("another destination: got %v, want fault.NotFound", err)
	}
}

func TestFirst(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1":                      "SELECT * FROM (\nselect 1\n) AS first_rows LIMIT 5",
		"select ';' ; -- note":          "SELECT * FROM (\nselect ';' \n) AS first_rows LIMIT 5",
		"select 1 -- note":              "SELECT * FROM (\nselect 1 -- note\n) AS first_rows LIMIT 5",
		"select 1; select 2 --":         "select 1; select 2 --",
		"select 1) t; drop table x; --": "select 1) t; drop table x; --",
		"a join b on true":              "a join b on true",
		"":                              "",
	} {
		if got := query.First(sql, 5); got != want {
			t.Errorf("First(%q)\n got %q\nwant %q", sql, got, want)
		}
	}
}

// checking is a destination that also says what is wrong with a text alone.
type checking struct {
	asked
	check func(sql string) error
}

func (c checking) Check(_ context.Context, sql string) error { return c.check(sql) }

// What is a query only inside of another is found by who can look at it alone.
func TestCheckLooksAtTheQueryAsItIs(t *testing.T) {
	const half = "select 1) as a, (select 2"
	var sql string
	r, _ := runner(query.DefaultLimits(), destination.ByID{"1": checking{numbers(1), func(text string) error {
		sql = text
		return fault.New(fault.Invalid, "bad_sql", "a bracket is closed")
	}}, "2": checking{failing(fault.New(fault.Invalid, "bad_param", "no number")), func(string) error { return nil }}})
	err := r.Check(t.Context(), "1", half, nil)
	wantFault(t, err, fault.Invalid, "bad_sql", "a bracket is closed")
	if sql != half {
		t.Errorf("looked at %q, want %q", sql, half)
	}
	wantFault(t, r.Check(t.Context(), "2", "select $n", nil), fault.Invalid, "bad_param", "no number")
}

// A check is a query like others: it has their time.
func TestCheckHasTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := runner(query.Limits{Timeout: time.Second, Concurrent: 1}, destination.ByID{"1": stuck()})
		if err := r.Check(t.Context(), "1", "select 1", nil); fault.CodeOf(err) != "query_timeout" {
			t.Errorf("got %v, want query_timeout", err)
		}
	})
}

func TestParamsAreArgs(t *testing.T) {
	var p query.Params
	if err := json.Unmarshal([]byte(`{"z":null,"b":true,"i":-5,"f":2.5,"t":"x","big":18446744073709551616}`), &p); err != nil {
		t.Fatal(err)
	}
	args, err := p.Args()
	if want := "[{b true} {big 18446744073709551616} {f 2.5} {i -5} {t x} {z <nil>}]"; err != nil || fmt.Sprint(args) != want {
		t.Errorf("got %v, %v, want %s", args, err, want)
	}
	for _, bad := range []string{`{"a":[]}`, `{"a":{}}`, `{"":1}`} {
		var p query.Params
		if err := json.Unmarshal([]byte(bad), &p); err != nil {
			t.Fatal(err)
		}
		if args, err := p.Args(); fault.CodeOf(err) != "bad_param" {
			t.Errorf("%s: got %v, %v, want bad_param", bad, args, err)
		}
	}
	if args, err := (query.Params)(nil).Args(); len(args) != 0 || err != nil {
		t.Errorf("nothing: got %v, %v", args, err)
	}
	if got := string(query.Text("a\"\n")); got != `"a\"\n"` {
		t.Errorf("got %s", got)
	}
}
