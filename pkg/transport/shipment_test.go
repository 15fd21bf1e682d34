package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

func TestShipmentRoundTrip(t *testing.T) {
	created := time.Date(2026, 11, 24, 1, 2, 3, 456789123, time.UTC)
	s := shipmentOf(ingest.Ready{Batch: "01HX", Destination: "1", Table: tableOf(t, "shop.my events"), Path: "/tmp/x",
		Rows: 7, Bytes: 99, Seen: []schema.Seen{{Name: `a"b`, Kinds: 1<<schema.Int | 1<<schema.Text}}, Created: created})
	if want := "1/shop.my events/01HX.ndjson"; s.Key != want {
		t.Errorf("got key %q, want %q", s.Key, want)
	}
	for _, died := range []time.Time{{}, created.Add(time.Hour)} {
		s.Died = died
		message, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseShipment(message)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, s) {
			t.Errorf("%s\n got %+v\nwant %+v", message, got, s)
		}
		if died.IsZero() && strings.Contains(string(message), "died") {
			t.Errorf("a first shipment has a death: %s", message)
		}
	}
}

// A message about rows that are copied has the types of their columns, however these are made, and fits into the queues that
// there are: of 2,000 columns it has less than the 256 KiB that they take at least.
func TestShipmentOfACopy(t *testing.T) {
	number := vector.Type{Kind: vector.Int, Bits: 64, Name: "BIGINT"}
	types := []vector.Type{
		number,
		{Kind: vector.Int, Bits: 8, Unsigned: true, Name: "UTINYINT"},
		{Kind: vector.Decimal, Precision: 18, Scale: 3, Name: "DECIMAL(18,3)"},
		{Kind: vector.Timestamp, Unit: time.Microsecond, Zone: true, Name: "TIMESTAMP WITH TIME ZONE"},
		{Kind: vector.Text, Words: []string{"a", "b\"c"}, Name: "ENUM"},
		{Kind: vector.List, Elem: &vector.Type{Kind: vector.List, Elem: &number}, Length: 3, Name: "BIGINT[][3]"},
		{Kind: vector.Struct, Fields: []vector.Field{{Name: "x", Type: number}, {Name: "", Type: vector.Type{Kind: vector.Null}}}},
	}
	s := Shipment{Batch: "01HX", File: "01HW", Destination: "1", Table: tableOf(t, "t"), Key: "1/t/01HX.ndjson", Created: time.Unix(1, 0).UTC()}
	for i := range 2000 {
		s.Seen = append(s.Seen, schema.Seen{Name: fmt.Sprint("a_column_", i), Kinds: 4, Type: &types[i%len(types)]})
	}
	message, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseShipment(message); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%.1000s\n got %.1000s, %v", message, fmt.Sprintf("%+v", got), err)
	}
	if len(message) > 256<<10 {
		t.Errorf("the message has %d bytes", len(message))
	}
}

func TestParseShipmentIsStrict(t *testing.T) {
	const good = `{"v":1,"batch":"01HX","destination":"1","table":"t","key":"1/t/01HX.ndjson","rows":1,"bytes":9,` +
		`"seen":[{"name":"a","kinds":4}],"created":"2026-11-24T00:00:00Z"}`
	if _, err := parseShipment([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"not JSON", good, "hello", "not a JSON object"},
		{"empty", good, "", "not a JSON object"},
		{"an array", good, "[1]", "not a JSON object"},
		{"cut", good, good[:len(good)-1], "not a JSON object"},
		{"something follows", good, good + "{}", "not a JSON object"},
		{"no version", `"v":1,`, ``, "version 0"},
		{"a later version", `"v":1`, `"v":2`, "version 2"},
		{"a later version with new fields", `"v":1`, `"v":2,"new":true`, "version 2"},
		{"an unknown field", `"rows"`, `"lines":1,"rows"`, "form of a shipment"},
		{"an unknown field inside", `"kinds":4`, `"kinds":4,"unit":"m"`, "form of a shipment"},
		{"a path for a table", `"table":"t"`, `"table":"../t"`, "form of a shipment"},
		{"no table", `"table":"t",`, ``, "missing"},
		{"no batch", `"batch":"01HX",`, ``, "missing"},
		{"no destination", `"destination":"1",`, ``, "missing"},
		{"no key", `"key":"1/t/01HX.ndjson",`, ``, "missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := strings.Replace(good, tt.old, tt.new, 1)
			_, err := parseShipment([]byte(body))
			if !errors.Is(err, fault.Unprocessable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parse %s\n got error %v\nwant one of kind %v with %q", body, err, fault.Unprocessable, tt.want)
			}
		})
	}
}

// FuzzParseShipment checks that whatever is read can be written and read again.
func FuzzParseShipment(f *testing.F) {
	f.Add([]byte(`{"v":1,"batch":"01HX","destination":"1","table":"t","key":"k","rows":1,"bytes":9,"seen":[],` +
		`"created":"2026-11-24T00:00:00Z","died":"2026-11-24T00:00:00.123456789+01:00"}`))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parseShipment(body)
		if err != nil {
			return
		}
		message, err := s.encode()
		if err != nil {
			t.Fatalf("encode %+v: %v", s, err)
		}
		again, err := parseShipment(message)
		if err != nil {
			t.Fatalf("parse %s: %v", message, err)
		}
		was, _ := json.Marshal(s)
		is, _ := json.Marshal(again)
		if string(was) != string(is) {
			t.Errorf("got %s, want %s", is, was)
		}
	})
}
