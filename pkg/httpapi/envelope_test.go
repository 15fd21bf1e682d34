package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/ingest"
)

func TestEnvelopes(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	var want []string
	for _, tt := range []struct{ name, coding, body, want string }{
		{"table first", "", `{"table":"t","data":{"v":"CASE"}}`, `t: {"v":"CASE"}`},
		{"data first", "", `{"data":{"v":"CASE"},"table":"t"}`, `t: {"v":"CASE"}`},
		{"array", "", `{"table":"t","data":[{"v":"CASE"},{"v":"CASE","w":1}]}`, "t: {\"v\":\"CASE\"}\n" + `t: {"v":"CASE","w":1}`},
		{"array first", "", `{"data":[{"v":"CASE"},{"v":"CASE","w":1}],"table":"t"}`, "t: {\"v\":\"CASE\"}\n" + `t: {"v":"CASE","w":1}`},
		{"no rows", "", `{"table":"t","data":[]}`, ""},
		{"qualified", "", `{"table":"q.t","data":{"v":"CASE"}}`, `q.t: {"v":"CASE"}`},
		{"escaped", "", `{"t\u0061ble":"\u0074","d\u0061ta":{"v":"CASE"}}`, `t: {"v":"CASE"}`},
		{"white space", "", "\ufeff \n{ \"table\" :\t\"t\" ,\r\n\"data\" : [ {\"v\":\"CASE\"} ] } \n", `t: {"v":"CASE"}`},
		{"an envelope in it is a row", "", `{"table":"t","data":{"table":"CASE","data":1}}`, `t: {"table":"CASE","data":1}`},
		{"gzip", "gzip", `{"table":"t","data":{"v":"CASE"}}`, `t: {"v":"CASE"}`},
		{"zstd", "zstd", `{"data":{"v":"CASE"},"table":"t"}`, `t: {"v":"CASE"}`},
	} {
		for _, path := range anywhere {
			name := tt.name + " " + path
			t.Run(name, func(t *testing.T) {
				p.in(t)
				body := encoded(t, tt.coding, strings.ReplaceAll(tt.body, "CASE", name))
				r := p.do("POST", path, body, "Content-Encoding: "+tt.coding)
				var rows []string
				if tt.want != "" {
					rows = strings.Split(strings.ReplaceAll(tt.want, "CASE", name), "\n")
				}
				if got := decode[insertReply](t, r); r.status != http.StatusOK || got.Rows != len(rows) {
					t.Errorf("got %d %+v, want 200 and %d rows", r.status, got, len(rows))
				}
				want = append(want, rows...)
			})
		}
	}
	p.wantTables(want)
}

func TestBadEnvelopes(t *testing.T) {
	p := newPlant(t, setup{})
	for _, tt := range []struct{ name, body, code, detail string }{
		{"a row", `{"v":1}`, "bad_envelope", "only the members table and data are known"},
		{"an array", `[{"v":1}]`, "bad_envelope", "want an object with the members table and data, at byte 0"},
		{"no table", `{"data":{"v":1}}`, "bad_envelope", "must both be there, at byte 16"},
		{"no data", `{"table":"t"}`, "bad_envelope", "must both be there, at byte 13"},
		{"nothing", `{}`, "bad_envelope", "must both be there"},
		{"two tables", `{"table":"t","table":"t","data":{}}`, "bad_envelope", "the member table is there twice, at byte 21"},
		{"two data", `{"data":{"v":1},"table":"t","data":{}}`, "bad_envelope", "the member data is there twice, at byte 35"},
		{"a member more", `{"table":"t","data":{"v":1},"x":1}`, "bad_envelope", "only the members table and data are known"},
		{"data that is no rows", `{"table":"t","data":5}`, "bad_envelope", "data must be an object or an array of objects, at byte 20"},
		{"null data", `{"table":"t","data":null}`, "bad_envelope", "at byte 20"},
		{"a table that is no text", `{"table":5,"data":{}}`, "invalid_json", "at byte 9: want the table's name in quotes"},
		{"an empty table", `{"table":"","data":{}}`, "bad_table_name", "1 to 127 bytes"},
		{"an element that is no object", `{"table":"t","data":[{"v":1},5]}`, "not_an_object", "element 1, at byte 29"},
		{"an array in data", `{"data":[[{"v":1}]],"table":"t"}`, "not_an_object", "element 0, at byte 9"},
		{"a mistake in data", `{"data":[{"v":1},{"v":}],"table":"t"}`, "invalid_json", "at byte 22"},
		{"a mistake after data", `{"data":[{"v":1}] "table":"t"}`, "invalid_json", "at byte 18"},
		{"cut", `{"data":[{"v":1}],"table":"t"`, "invalid_json", "at byte 29"},
		{"cut in the table", `{"data":[{"v":1}],"table":"t`, "invalid_json", "at byte 28"},
		{"two of them", `{"table":"t","data":{"v":1}}` + "\n" + `{"table":"t","data":{"v":1}}`, "invalid_json", "at byte 29: want nothing after the envelope"},
	} {
		for _, path := range anywhere {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				p.in(t)
				got := wantProblem(t, p.do("POST", path, tt.body), http.StatusBadRequest, tt.code)
				if !strings.Contains(got.Detail, tt.detail) {
					t.Errorf("got detail %q, want %q in it", got.Detail, tt.detail)
				}
			})
		}
	}
	p.wantNothingStored()
}

// A large envelope that turns out to be none at its very end leaves nothing behind.
func TestLargeEnvelopes(t *testing.T) {
	p := newPlant(t, setup{ingest: func(c *ingest.Config) { c.Inline = 1 << 10 }})
	rows := "[" + strings.Repeat(`{"a":"some text"},`, 1_999) + `{"a":"the last"}]`
	for _, tt := range []struct{ end, code string }{
		{`}`, "bad_envelope"}, {`,"table":"a/b"}`, "bad_table_name"}, {`,"table":"t"`, "invalid_json"}, {`,"table":"t"}x`, "invalid_json"},
	} {
		wantProblem(t, p.do("POST", "/data", `{"data":`+rows+tt.end), http.StatusBadRequest, tt.code)
		p.wantNothingStored()
	}
	p.ship()
	p.load()
	r := p.do("POST", "/data?wait=true", `{"data":`+rows+`,"table":"t"}`)
	if got := decode[insertReply](t, r); r.status != http.StatusOK || got.Rows != 2_000 || p.one.Count("t") != 2_000 {
		t.Errorf("got %d %+v and %d rows, want 2000", r.status, got, p.one.Count("t"))
	}
}
