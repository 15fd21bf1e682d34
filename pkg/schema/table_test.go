package schema

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

func TestParseTable(t *testing.T) {
	longest := strings.Repeat("x", MaxName)
	for _, tt := range []struct{ in, qualifier, name string }{
		{"events", "", "events"},
		{"a", "", "a"},
		{"_", "", "_"},
		{"1", "", "1"},
		{"Web-Events 2024_01", "", "Web-Events 2024_01"},
		{"main.events", "main", "events"},
		{"my set.my table", "my set", "my table"},
		{longest, "", longest},
		{longest + "." + longest, longest, longest},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseTable(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got.Qualifier() != tt.qualifier || got.Name() != tt.name || got.String() != tt.in || got.IsZero() {
				t.Errorf("got %q and %q, want %q and %q", got.Qualifier(), got.Name(), tt.qualifier, tt.name)
			}
		})
	}
}

var badTables = []string{
	"", ".", "..", ".a", "a.", "a.b.c", "a..b", " ", " a", "a ", "a. b", "a .b", "a/b", "../a", `a\b`, `a"b`, "a'b", "a;b", "a`b", "a\x00b",
	"a\nb", "a\tb", "é", "ａ", "a\u200bb", "a\xffb", "a%b", "a$b", "a*", "(a)", "a:b", "C:", "--a;", strings.Repeat("x", MaxName+1),
	strings.Repeat("x", MaxName+1) + ".a", "a." + strings.Repeat("x", MaxName+1), strings.Repeat("é", 10_000),
	strings.Repeat("x", 10_000) + ".é", strings.Repeat("x", 10_000) + ". a",
}

func TestParseTableRefuses(t *testing.T) {
	for _, in := range badTables {
		got, err := ParseTable(in)
		if fault.Of(err) != fault.Invalid || fault.CodeOf(err) != "bad_table_name" || !got.IsZero() {
			t.Errorf("ParseTable(%.40q) got kind %v, code %s, %v", in, fault.Of(err), fault.CodeOf(err), got)
		}
		if text := fault.TextOf(err); text == "" || len(text) > 1000 {
			t.Errorf("ParseTable(%.40q) got a text of %d bytes, want some, and not all of a long name", in, len(text))
		}
	}
}

func TestTableAsText(t *testing.T) {
	var out struct{ Table Table }
	if err := json.Unmarshal([]byte(`{"Table":"main.events"}`), &out); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), `{"Table":"main.events"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := json.Unmarshal([]byte(`{"Table":"../../etc/passwd"}`), &out); err == nil {
		t.Error("a path was taken for a table's name")
	}
	if !out.Table.IsZero() {
		t.Errorf("after an error got %v, want no table", out.Table)
	}
}

// FuzzParseTable looks for a name that would leave its folder, end a quoted identifier or not come back the same.
func FuzzParseTable(f *testing.F) {
	for _, s := range badTables {
		f.Add(s)
	}
	for _, s := range []string{"events", "main.events", "a b-c_1", strings.Repeat("x", MaxName)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		table, err := ParseTable(s)
		if err != nil {
			if !table.IsZero() || fault.Of(err) != fault.Invalid {
				t.Errorf("ParseTable(%q) got %v with %v", s, table, err)
			}
			return
		}
		again, err := ParseTable(table.String())
		if err != nil || again != table || table.String() != s {
			t.Errorf("ParseTable(%q) got %q, then %q, %v", s, table, again, err)
		}
		for _, part := range []string{table.Name(), table.Qualifier()} {
			if strings.ContainsAny(part, "./\\\"'`;:\x00\n\r\t%$*()[]{}<>|&?#~^=+,!@") || strings.TrimSpace(part) != part || len(part) > MaxName {
				t.Errorf("ParseTable(%q) has the part %q", s, part)
			}
		}
		if path := filepath.Join("dir", table.String()); filepath.Dir(path) != "dir" || !filepath.IsLocal(table.String()) {
			t.Errorf("ParseTable(%q) leads out of its folder: %s", s, path)
		}
	})
}
