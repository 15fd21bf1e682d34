package httpapi

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// newArchivePlant is a plant whose first destination is an archive with the table orders, of two inserts, and rescued
// values in it.
func newArchivePlant(t *testing.T, api func(*Config)) (p *plant, first, second insertReply) {
	t.Helper()
	p = newPlant(t, setup{rescues: true, api: api})
	p.ship()
	p.load()
	p.archive.laid["orders"] = []laid{
		{"01A", `{"amount":"many"}`},
		{"01B", `{"AMOUNT":"few","amount#2":1,"two words":{"a":[1]}}`},
		{"01C", `{"amount":"none","amount#10":2,"nowhere":true,"__batch_file":7}`},
		{"", "no JSON at all"},
		{"01E", `{"code#3":9007199254740993,"code#1":1}`},
	}
	if api != nil {
		return p, first, second
	}
	first = p.insert("orders?wait=true", `{"amount":1,"two_words":"x"}`)
	second = p.insert("orders?wait=true", `{"amount":2,"code":true,"code#3":1.5}`)
	return p, first, second
}

func TestTablesAreListed(t *testing.T) {
	p, _, _ := newArchivePlant(t, nil)
	p.insert("a.b?wait=true", `{"a":1}`)
	r := p.do("GET", "/api/tables", "")
	if want := `{"tables":["a.b","orders"]}` + "\n"; r.status != http.StatusOK || r.body != want {
		t.Errorf("got %d %s, want %s", r.status, r.body, want)
	}
	other := "X-API-Key: " + keyTwo
	if r := p.do("GET", "/api/tables", "", other); r.status != http.StatusOK || r.body != `{"tables":[]}`+"\n" {
		t.Errorf("another destination: got %d %s, want no tables", r.status, r.body)
	}
	wantProblem(t, p.do("GET", "/api/tables/orders/columns", "", other), http.StatusNotFound, "unknown_table")
	wantProblem(t, p.do("GET", "/api/tables/orders/rescued", "", other), http.StatusUnsupportedMediaType, "no_rescue")
}

func TestColumns(t *testing.T) {
	began := time.Now()
	p, first, second := newArchivePlant(t, nil)
	r := p.do("GET", "/api/tables/orders/columns", "")
	type column struct {
		Name, Type, Kind string
		Created          *time.Time `json:"created_at"`
		Receipt          string
		Rescued          int64
	}
	got := decode[struct {
		Table   string
		Columns []column
		Rescued int64
	}](t, r)
	if got.Table != "orders" || got.Rescued != 10 {
		t.Errorf("got %s with %d rescued values, want orders with 10", got.Table, got.Rescued)
	}
	batches := make(map[string]string)
	for batch, in := range map[string]insertReply{"first": first, "second": second} {
		batches[p.receiptIs(in.Receipt, transport.StateLoaded).Batch] = batch
	}
	var list []string
	for _, c := range got.Columns {
		rec := p.receiptIs(c.Receipt, transport.StateLoaded)
		if c.Created == nil || c.Created.Before(began.Add(-time.Second)) || c.Created.After(time.Now().Add(time.Second)) || rec.Table != "orders" || rec.Rows == 0 {
			t.Errorf("column %+v, its receipt %+v: want it made just now for orders", c, rec)
		}
		list = append(list, fmt.Sprintf("%s %s %s %d", c.Name, c.Kind, batches[rec.Batch], c.Rescued))
	}
	want := []string{"__row_id text first 0", "__batch_file text first 1", "amount int first 5", "two_words text first 1",
		"code bool second 0", "code#3 float second 1"}
	slices.Sort(list)
	slices.Sort(want)
	if !slices.Equal(list, want) {
		t.Errorf("columns\n got %s\nwant %s", strings.Join(list, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestRescuedIsListed(t *testing.T) {
	p, _, _ := newArchivePlant(t, nil)
	for i := range 101 {
		p.archive.laid["many"] = append(p.archive.laid["many"], laid{fmt.Sprint(i), "{}"})
	}
	all := []string{
		`{"row_id":"01A","rescued":{"amount":"many"}}`,
		`{"row_id":"01B","rescued":{"AMOUNT":"few","amount#2":1,"two words":{"a":[1]}}}`,
		`{"row_id":"01C","rescued":{"amount":"none","amount#10":2,"nowhere":true,"__batch_file":7}}`,
		`{"row_id":"","rescued":"no JSON at all"}`,
		`{"row_id":"01E","rescued":{"code#3":9007199254740993,"code#1":1}}`,
	}
	for _, tt := range []struct {
		query string
		rows  int
		more  bool
	}{
		{"", 5, false}, {"?limit=1", 1, true}, {"?limit=4", 4, true}, {"?limit=5", 5, false}, {"?limit=10000", 5, false}, {"?limit=", 5, false},
	} {
		r := p.do("GET", "/api/tables/orders/rescued"+tt.query, "")
		want := fmt.Sprintf(`{"table":"orders","rows":[%s],"more":%v}`+"\n", strings.Join(all[:tt.rows], ","), tt.more)
		if r.status != http.StatusOK || r.body != want {
			t.Errorf("%s: got %d %s\nwant %s", tt.query, r.status, r.body, want)
		}
	}
	for _, limit := range []string{"0", "-1", "10001", "all", "1.5", "99999999999999999999"} {
		wantProblem(t, p.do("GET", "/api/tables/orders/rescued?limit="+limit, ""), http.StatusBadRequest, "bad_parameter")
	}
	p.insert("clean?wait=true", `{"a":1}`)
	if r := p.do("GET", "/api/tables/clean/rescued", ""); r.body != `{"table":"clean","rows":[],"more":false}`+"\n" {
		t.Errorf("nothing rescued: got %d %s", r.status, r.body)
	}
	p.insert("many?wait=true", `{"a":1}`)
	if got := decode[rescuedReply](t, p.do("GET", "/api/tables/many/rescued", "")); len(got.Rows) != 100 || !got.More {
		t.Errorf("no limit: got %d rows and more %v, want 100 and more", len(got.Rows), got.More)
	}
}

func TestRescuedIsReplayed(t *testing.T) {
	p, _, _ := newArchivePlant(t, nil)
	p.archive.mended = []string{"amount", "two words", "__batch_file"}
	const path = "/api/tables/orders/rescued/replay"
	for i, want := range []string{
		`{"table":"orders","rows":3,"values":4,"left":6}`, `{"table":"orders","rows":0,"values":0,"left":6}`,
	} {
		if r := p.do("POST", path, ""); r.status != http.StatusOK || r.body != want+"\n" {
			t.Errorf("replay %d: got %d %s, want %s", i, r.status, r.body, want)
		}
	}
	was := map[string]schema.Kind{"__row_id": schema.Text, "__batch_file": schema.Text, "amount": schema.Int, "two_words": schema.Text,
		"code": schema.Bool, "code#3": schema.Float}
	if !reflect.DeepEqual(p.archive.was, was) {
		t.Errorf("got first kinds %v, want %v", p.archive.was, was)
	}
	if !p.log.has("rescued values replayed", "destination=1", "table=orders", "rows=3", "values=4", "left=6") {
		t.Errorf("the log says nothing of the replay:\n%s", p.log)
	}
	wantProblem(t, p.do("POST", path, "", "X-API-Key: "+keyTwo), http.StatusUnsupportedMediaType, "no_rescue")
}

// Every route of a table refuses the same names, and those of tables that are not there.
func TestTablesThatAreNone(t *testing.T) {
	p, _, _ := newArchivePlant(t, nil)
	for _, route := range []string{"GET columns", "GET rescued", "POST rescued/replay"} {
		method, end, _ := strings.Cut(route, " ")
		for _, tt := range []struct {
			table, code string
			status      int
		}{
			{"nowhere", "unknown_table", 404},
			{"a.orders", "unknown_table", 404},
			{"a.b.c", "bad_table_name", 400},
			{"..%2Forders", "bad_table_name", 400},
			{"orders%22", "bad_table_name", 400},
			{"%20orders", "bad_table_name", 400},
			{strings.Repeat("a", 128), "bad_table_name", 400},
		} {
			wantProblem(t, p.do(method, "/api/tables/"+tt.table+"/"+end, ""), tt.status, tt.code)
		}
	}
}

func TestReadOnlyReplaysNothing(t *testing.T) {
	p, _, _ := newArchivePlant(t, func(c *Config) { c.ReadOnly = true })
	p.archive.mended = []string{"amount"}
	wantProblem(t, p.do("POST", "/api/tables/orders/rescued/replay", ""), http.StatusForbidden, "read_only")
	if got := len(p.archive.laid["orders"]); got != 5 || p.archive.was != nil {
		t.Errorf("%d rows have rescued values, want all 5", got)
	}
	if r := p.do("GET", "/api/tables", ""); r.status != http.StatusOK {
		t.Errorf("the list: got %d %s, want 200", r.status, r.body)
	}
}

// A table that a person made has columns that nobody noted.
func TestColumnsOfOthers(t *testing.T) {
	p := newPlant(t, setup{})
	table, err := schema.ParseTable("byhand")
	if err != nil {
		t.Fatal(err)
	}
	err = p.one.CreateTable(t.Context(), table)
	if err == nil {
		err = p.one.AddColumns(t.Context(), table, []schema.Column{{Name: "a", Kind: schema.Foreign, Type: "DECIMAL(9,2)", NotNull: true}})
	}
	if err != nil {
		t.Fatal(err)
	}
	r := p.do("GET", "/api/tables/byhand/columns", "")
	want := `{"table":"byhand","columns":[{"name":"__row_id","type":"","kind":"text","rescued":0},` +
		`{"name":"a","type":"DECIMAL(9,2)","kind":"foreign","not_null":true,"rescued":0}],"rescued":0}` + "\n"
	if r.status != http.StatusOK || r.body != want {
		t.Errorf("got %d %s\nwant %s", r.status, r.body, want)
	}
}
