package app

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2" // the driver, for what a person does by hand

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// byHand runs statements on the database of the folder, whose server must not run.
func byHand(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := sql.Open("duckdb", filepath.Join(dir, "data.duckdb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request that must succeed, and reads its answer.
func ask[T any](c *client, method, path string) (answer T) {
	c.t.Helper()
	status, text := c.do(method, path, "")
	if status != http.StatusOK {
		c.t.Fatalf("%s %s: got %d %s, want 200", method, path, status, text)
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		c.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return answer
}

type columnsReply struct {
	Columns []struct {
		Name, Type, Kind, Receipt string
		Rescued                   int64
	}
	Rescued int64
}

type rescuedReply struct {
	Rows []struct {
		RowID   string `json:"row_id"`
		Rescued map[string]any
	}
	More bool
}

// wantColumns compares what is told of the columns of orders, and follows their receipts.
func (c *client) wantColumns(rescued int64, want ...string) {
	c.t.Helper()
	got := ask[columnsReply](c, "GET", "/api/tables/orders/columns")
	var list []string
	for _, col := range got.Columns {
		list = append(list, fmt.Sprintf("%s %s %s %d", col.Name, col.Type, col.Kind, col.Rescued))
		rec := ask[transport.Receipt](c, "GET", "/api/receipts/"+col.Receipt)
		if rec.State != transport.StateLoaded || rec.Table != "orders" || rec.Rows == 0 {
			c.t.Errorf("column %s: got receipt %+v, want that of a batch of orders", col.Name, rec)
		}
	}
	if strings.Join(list, ", ") != strings.Join(want, ", ") || got.Rescued != rescued {
		c.t.Errorf("columns\n got %q, %d rescued\nwant %q, %d", list, got.Rescued, want, rescued)
	}
}

// What did not fit is kept and told of, and goes into its column once a person has made that wide enough.
func TestClashesAreMendedAndReplayed(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	r := serve(t, load(t, environ(dir, "SCRATCH_PROMETHEUS_PORT="+port)))
	r.insert("orders?wait=true", `{"amount":1,"note":"a"}`)
	r.insert("orders?wait=true", `[{"__row_id":"one","amount":"many","note":"b"},{"__row_id":"two","amount":"few","note":"x","note":"c"},{"__row_id":"three","amount":0,"AMOUNT":7,"note":"d"}]`)
	for _, want := range []string{
		`level=INFO msg="table made" destination=1 table=orders`,
		`level=INFO msg="column added" destination=1 table=orders column=amount kind=int`,
		`level=INFO msg="column added" destination=1 table=orders column=__rescued kind=text`,
	} {
		if got := strings.Count(r.log.String(), want); got != 1 {
			t.Errorf("the log has %d times %s, want it once", got, want)
		}
	}
	const amounts, others = "amount BIGINT int 3", "note VARCHAR text 1, __rescued VARCHAR text 0"
	const ours = "__row_id VARCHAR text 0, __batch_file VARCHAR text 0"
	r.wantColumns(4, ours, amounts, others)
	rescued := ask[rescuedReply](r.client, "GET", "/api/tables/orders/rescued?limit=3")
	if got, want := fmt.Sprint(rescued), "{[{one map[amount:many]} {two map[amount:few note:x]} {three map[AMOUNT:7]}] false}"; got != want {
		t.Errorf("rescued: got %s, want %s", got, want)
	}
	_, metrics := get(t, "http://127.0.0.1:"+port+"/metrics", "", "")
	for reason, want := range map[string]float64{"unfit": 2, "duplicate": 2, "no_column": 0, "reserved": 0} {
		if got := metric(t, metrics, `scratchdata_rescued_values_total{destination="1",reason="`+reason+`"}`); got != want {
			t.Errorf("%s: %v values are counted, want %v", reason, got, want)
		}
	}
	r.query("select amount, note from orders order by note", "amount,note\n1,a\n0,b\n0,c\n0,d\n")
	r.mustStop()

	byHand(t, dir, "ALTER TABLE orders ALTER amount TYPE VARCHAR")
	r = serve(t, load(t, environ(dir)))
	if status, text := r.do("GET", "/api/tables", ""); status != http.StatusOK || text != `{"tables":["orders"]}`+"\n" {
		t.Errorf("tables: got %d %s, want orders alone", status, text)
	}
	r.wantColumns(4, ours, "amount VARCHAR text 3", others)
	// Second values stay where they are, also beside a zero: they would not have gone there before either.
	did := ask[destination.Restored](r.client, "POST", "/api/tables/orders/rescued/replay")
	if want := (destination.Restored{Rows: 2, Values: 2, Left: 2}); did != want {
		t.Errorf("replay: got %+v, want %+v", did, want)
	}
	r.wantColumns(2, ours, "amount VARCHAR text 1", others)
	r.query("select amount, note, __rescued, count(*) over () as n from orders order by note",
		"amount,note,__rescued,n\n1,a,,4\nmany,b,,4\nfew,c,\"{\"\"note\"\":\"\"x\"\"}\",4\n0,d,\"{\"\"AMOUNT\"\":7}\",4\n")
	r.insert("orders?wait=true", `{"amount":"more","note":"e"}`) // and the server goes on with what there is now
	r.query("select amount, __rescued from orders where note = 'e'", "amount,__rescued\nmore,\n")
	r.mustStop()
}
