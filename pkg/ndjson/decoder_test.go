package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func TestDecoder(t *testing.T) {
	for _, tt := range []struct {
		name, cols, rows string
		want             []string
		rescued          int64
	}{
		{"values by name, in any order", "a int,b text", `{"b":"x","a":1}` + "\n" + `{"a":2,"b":"y"}` + "\n", []string{"1|x", "2|y"}, 0},
		{"members left out", "a int,b int,c int", `{"a":1,"c":3}` + "\n" + `{"a":1,"b":2,"c":3}` + "\n" + `{"b":2}` + "\n" + `{}` + "\n" + `{"c":3}` + "\n",
			[]string{"1|NULL|3", "1|2|3", "NULL|2|NULL", "NULL|NULL|NULL", "NULL|NULL|3"}, 0},
		{"the end of an insert", "a int", `{"a":1} ` + "\n" + `{"a":2}` + "\n", []string{"1", "2"}, 0},
		{"batch file", "__batch_file text,a int", `{"a":1}` + "\n" + `{}` + "\n", []string{"BATCH|1", "BATCH|NULL"}, 0},
		{"batch file as JSON", "__batch_file nested", "{}\n", []string{`"BATCH"`}, 0},
		{"batch file's own key", "__batch_file text,__rescued text", `{"__batch_file":"x"}` + "\n", []string{`BATCH|{"__batch_file":"x"}`}, 1},
		{"row id", "__row_id text", `{"__row_id":"01J"}` + "\n", []string{"01J"}, 0},
		{"key without column", "a int,__rescued text", `{"b":[1,"x"],"a":1}` + "\n" + `{"a":2}` + "\n", []string{`1|{"b":[1,"x"]}`, "2|NULL"}, 1},
		{"several rescued", "a int,b bool,__rescued text", `{"a":"x","b":"y","c":1}` + "\n", []string{`0|false|{"a":"x","b":"y","c":1}`}, 3},
		{"null is not rescued", "a int,__rescued text", `{"b":null,"a":null}` + "\n", []string{"NULL|NULL"}, 0},
		{"rescued before", "a int,__rescued text", `{"a":1,"__rescued":{"a":"x","b":2}}` + "\n", []string{`1|{"a":"x","b":2}`}, 2},
		{"rescued before and now", "a int,__rescued text", `{"a":"x","c":"y","__rescued":{"b":2}}` + "\n", []string{`0|{"a":"x","c":"y","b":2}`}, 3},
		{"rescued before and now under one name", "a int,__rescued text", `{"a":"x","b":"y","__rescued":{"a":1,"a#2":2}}` + "\n",
			[]string{`0|{"a#3":"x","b":"y","a":1,"a#2":2}`}, 4},
		{"nothing rescued before", "a int,__rescued text", `{"a":"x","__rescued":{}}` + "\n", []string{`0|{"a":"x"}`}, 1},
		{"rescued into JSON", "a int,__rescued nested", `{"a":"x"}` + "\n", []string{`0|{"a":"x"}`}, 1},
		{"keys with escapes", `q"\ int,__rescued text`, `{"q\"\\":1,"\u0001":2}` + "\n", []string{`1|{"\u0001":2}`}, 1},
		{"a key twice", "a int,__rescued text", `{"a":1,"a":2}` + "\n", []string{`1|{"a":2}`}, 1},
		{"escapes", "a text", `{"a":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00é"}` + "\n", []string{"\"\\/\b\f\n\r\tAé€😀é"}, 0},
		{"texts of all lengths", "a text", texts(40), plain(40), 0},
		{"mark", "a int,__rescued text", `{"a":1,"__insert":"key"} ` + "\n" + `{"__insert":"k\"+"}` + "\n" + `{"a":2}` + "\n", []string{"1|NULL", "NULL|NULL", "2|NULL"}, 0},
		{"mark after rescued", "a int,__rescued text", `{"a":"x","__rescued":{"b":1},"__insert":"key"}` + "\n", []string{`0|{"a":"x","b":1}`}, 2},
		{"mark is no column", "__insert text,a int", `{"a":1,"__insert":"key"}` + "\n", []string{"NULL|1"}, 0},
		{"long key", "a text,__rescued text", `{"` + strings.Repeat("k", 2000) + `":1,"a":"x"}` + "\n",
			[]string{`x|{"` + strings.Repeat("k", 2000) + `":1}`}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(strings.NewReader(tt.rows), columns(t, strings.Split(tt.cols, ",")...), Options{BatchID: "BATCH"})
			got, err := readAll(d, 3)
			if err != nil {
				t.Fatal(err)
			}
			wantRows(t, got, tt.want)
			if d.Rescued() != tt.rescued {
				t.Errorf("got %d rescued, want %d", d.Rescued(), tt.rescued)
			}
			if d.Rows() != int64(len(tt.want)) {
				t.Errorf("got %d rows, want %d", d.Rows(), len(tt.want))
			}
		})
	}
}

// texts makes rows whose text "a" has 0 to n-1 letters, every other one after an escape.
func texts(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"a\":\"%s%s\"}\n", []string{"", `\n`}[i&1], strings.Repeat("é", i))
	}
	return b.String()
}

func plain(n int) (want []string) {
	for i := range n {
		want = append(want, []string{"", "\n"}[i&1]+strings.Repeat("é", i))
	}
	return want
}

func TestKeysThatShareAColumn(t *testing.T) {
	o := Options{Name: func(key string) string { return strings.ReplaceAll(key, ".", "_") }, Fold: strings.ToLower}
	rows := `{"User.Id":1,"user_id":2}` + "\n" + `{"user_id":3}` + "\n" + `{"USER_ID":"x","user.id":4}` + "\n" +
		`{"__ROW_ID":1,"__Rescued":2,"__Batch_File":3}` + "\n"
	cols := columns(t, "__row_id text", "User_ID int", "__BATCH_FILE text", "__rescued text")
	got, err := readAll(NewDecoder(strings.NewReader(rows), cols, o), 2)
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, got, []string{
		`NULL|1||{"user_id":2}`,
		`NULL|3||NULL`,
		`NULL|0||{"USER_ID":"x","user.id":4}`,
		`1|NULL||{"__Rescued":2,"__Batch_File":3}`,
	})
}

func TestManyKeysAreReadThoughNotRemembered(t *testing.T) {
	var rows strings.Builder
	var want []string
	for i := range 500 {
		fmt.Fprintf(&rows, "{\"a\":%d,\"k%d\":%d,\"b\":\"x\"}\n", i, i%100, i)
		want = append(want, fmt.Sprintf(`%d|x|{"k%d":%d}`, i, i%100, i))
	}
	d := NewDecoder(strings.NewReader(rows.String()), columns(t, "a int", "b text", "__rescued text"), Options{Cap: 5})
	got, err := readAll(d, 100)
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, got, want)
	if n := len(d.members.known); n > 8 {
		t.Errorf("got %d keys remembered, want at most 8", n)
	}
}

func TestNoColumnForRescued(t *testing.T) {
	for _, tt := range []struct{ name, cols, row string }{
		{"value does not fit", "a int", `{"a":"x"}`},
		{"no column", "a int", `{"b":1}`},
		{"rescued before", "a int", `{"a":1,"__rescued":{"b":1}}`},
		{"two for one column", "a int", `{"a":1,"a":2}`},
		{"the column holds no text", "a int,__rescued int", `{"a":"x"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(strings.NewReader("{}\n"+tt.row+"\n"), columns(t, strings.Split(tt.cols, ",")...), Options{})
			var b Batch
			for range 2 {
				if err := d.Next(&b, 10); !errors.Is(err, ErrNoRescued) || b.Rows != 0 {
					t.Errorf("got %v and %d rows, want ErrNoRescued and none", err, b.Rows)
				}
			}
		})
	}
}

var malformed = []string{
	``, ` `, `x`, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", `[]`, `1`, `{`, `{"`, `{"a`, `{"a"`,
	`{"a":`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,"a":1}`, `{"a":1}}`, `{"a":1}x`, `{"a":1}  `, ` {"a":1}`, `{ "a":1}`,
	`{"a" :1}`, `{"a": 1}`, `{"a":1 }`, `{"a":1 ,"b":1}`, `{"a":1,,"b":1}`, `{a:1}`, `{"a":1 "b":1}`, `{"a";1}`, `{1:1}`,
	`{"a":01}`, `{"a":-}`, `{"a":+1}`, `{"a":1.}`, `{"a":.1}`, `{"a":1e}`, `{"a":1e+}`, `{"a":1.e1}`, `{"a":0x1}`, `{"a":1x}`, `{"a":--1}`,
	`{"a":123456789012345678901x}`, `{"a":1.5x}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":tru}`, `{"a":truex}`, `{"a":falsy}`, `{"a":nul}`,
	`{"a":"}`, `{"a":"x}`, `{"a":"x"y}`, `{"a":"\"}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u123g"}`, `{"a":"\ud800"}`, `{"a":"\ud800x"}`,
	`{"a":"\ud800\n"}`, `{"a":"\ud800\u0041"}`, `{"a":"\udc00"}`, "{\"a\":\"\x01\"}", "{\"a\":\"\t\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc3\"}",
	"{\"\xff\":1}", `{"\u12":1}`, `{"a":{}`, `{"a":{"b":1}`, `{"a":{"b"}}`, `{"a":{b:1}}`, `{"a":{"b":1,}}`, `{"a":{"b":1 }}`, `{"a":[1,]}`,
	`{"a":[1`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":[}`, `{"a":{]}`, `{"__rescued":1}`, `{"__rescued":{"a":1},"a":1}`, `{"__rescued":[]}`,
	`{"__insert":1}`, `{"__insert":1x"}`, `{"__insert":"x}`, `{"__insert":"x","a":1}`, `{"__insert":"x","__insert":"x"}`, `{"__insert":"x","__rescued":{"a":1}}`,
	`{"__rescued":{"a":1},"__insert":{}}`, `{"__rescued":{"a":1},"__insert":"x","a":1}`, `{"__rescued":{"a":1},"__inser":"x"}`,
	`{"__rescued":{"a":1},"__rescued":{"a":1}}`, `{"a":"2024-01-01T00:00:00Z}`, `{"a":` + strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2) + `}`,
}

func TestMalformedLines(t *testing.T) {
	for _, line := range malformed {
		for kind := schema.Bool; kind <= schema.Foreign; kind++ {
			cols := []schema.Column{{Name: "a", Kind: kind}, {Name: "b", Kind: kind}, {Name: "__rescued", Kind: schema.Text}}
			d := NewDecoder(strings.NewReader("{}\n{}\n"+line+"\n{}\n"), cols, Options{})
			var b Batch
			err := d.Next(&b, 10)
			if err == nil || b.Rows != 0 || !strings.Contains(err.Error(), "line 3") {
				t.Errorf("%.60q into %v got %v, want an error in line 3", line, kind, err)
			}
			if fault.Of(err) != fault.Internal {
				t.Errorf("%.60q got kind %v, want Internal", line, fault.Of(err))
			}
			if again := d.Next(&b, 10); again != err {
				t.Errorf("got %v from the next call, want the same error", again)
			}
		}
	}
}

func TestLastLineWithoutEnd(t *testing.T) {
	d := NewDecoder(strings.NewReader("{}\n{}"), columns(t, "a int"), Options{})
	var b Batch
	if err := d.Next(&b, 1); err != nil || b.Rows != 1 {
		t.Fatalf("got %v and %d rows, want one", err, b.Rows)
	}
	if err := d.Next(&b, 1); !errors.Is(err, errTorn) {
		t.Errorf("got %v, want %v", err, errTorn)
	}
}

func TestReaderFails(t *testing.T) {
	for _, broken := range []error{errors.New("broken"), io.ErrUnexpectedEOF} { // the second says that a body is cut
		for _, rows := range []string{"{}\n{}\n{", "{}\n{}\n", ""} {
			d := NewDecoder(io.MultiReader(strings.NewReader(rows), iotest.ErrReader(broken)), columns(t, "a int"), Options{})
			var b Batch
			if err := d.Next(&b, 10); !errors.Is(err, broken) || b.Rows != 0 {
				t.Errorf("after %q: got %v and %d rows, want %v", rows, err, b.Rows, broken)
			}
		}
	}
}

func TestEmptyInput(t *testing.T) {
	d := NewDecoder(strings.NewReader(""), columns(t, "a int"), Options{})
	var b Batch
	for range 2 {
		if err := d.Next(&b, 10); err != io.EOF || b.Rows != 0 {
			t.Errorf("got %v, want EOF", err)
		}
	}
}

// A chunk's end falls on each byte of a row in turn.
func TestRowsSplitAtAnyByte(t *testing.T) {
	row := `{"a":-12,"b":"é\n\"x","c":{"d":[1.5,true]},"e":"2024-01-02T03:04:05.678Z","f":12.25} ` + "\n"
	cols := columns(t, "a int", "b text", "c nested", "e timestamp", "f float")
	want := "-12|é\n\"x|" + `{"d":[1.5,true]}` + "|2024-01-02T03:04:05.678Z|12.25"
	var b Batch // used again each time, so that old bytes are in it
	for cut := -padding; cut <= len(row)+padding; cut++ {
		pad := chunkSize - padding - cut - len("{\"b\":\"\"}\n")
		rows := `{"b":"` + strings.Repeat("x", pad) + "\"}\n" + row + row
		d := NewDecoder(strings.NewReader(rows), cols, Options{})
		if err := d.Next(&b, 10); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		got := table(&b)
		if len(got) != 3 || len(got[0]) != pad+len("NULL||NULL|NULL|NULL") || got[1] != want || got[2] != want {
			t.Fatalf("cut at %d got %q, want %q twice", cut, got[1:], want)
		}
	}
}

func TestRowLongerThanAChunk(t *testing.T) {
	for _, size := range []int{chunkSize - 100, chunkSize, 3*chunkSize + 7, keepSize + 1, maxBatch + 1} {
		long := strings.Repeat("x", size)
		rows := `{"a":"` + long + "\"}\n{\"a\":\"y\"}\n{\"a\":\"" + long + "\"}\n"
		got, err := readAll(NewDecoder(iotest.HalfReader(strings.NewReader(rows)), columns(t, "a text"), Options{}), 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 || got[0] != long || got[1] != "y" || got[2] != long {
			t.Errorf("a row of %d bytes came back different", size)
		}
	}
}

func TestGarbageWithoutLineEndTakesLittleMemory(t *testing.T) {
	zeros := bytes.NewReader(make([]byte, 16<<20))
	var b Batch
	err := NewDecoder(io.MultiReader(strings.NewReader("{}\n"), zeros), columns(t, "a text"), Options{}).Next(&b, 10)
	if !errors.Is(err, errRow) {
		t.Errorf("got %v, want %v", err, errRow)
	}
	if read := 16<<20 - zeros.Len(); read > 2*chunkSize {
		t.Errorf("%d bytes were read to find that they are no rows", read)
	}
}

func TestBatchLimits(t *testing.T) {
	rows, cols := wide(3 << 20)
	want, err := readAll(NewDecoder(bytes.NewReader(rows), cols, Options{}), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(rows, []byte{'\n'}); n != len(want) {
		t.Fatalf("got %d rows, want %d", len(want), n)
	}
	for _, limit := range []int{1, 2, 63, 64, 65, 1000, 2048, 5000} {
		got, err := readAll(NewDecoder(iotest.HalfReader(bytes.NewReader(rows)), cols, Options{}), limit)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("in batches of %d the rows are others", limit)
		}
	}
}

func TestBatchIsBounded(t *testing.T) {
	rows := bytes.Repeat([]byte(`{"a":"`+strings.Repeat("x", 100_000)+"\"}\n"), 200)
	d := NewDecoder(bytes.NewReader(rows), columns(t, "a text"), Options{})
	var b Batch
	for range 2 {
		if err := d.Next(&b, 1<<30); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, buf := range b.Buffers() {
			size += len(buf)
		}
		if size > 2*maxBatch {
			t.Errorf("got a batch of %d bytes, want at most %d", size, 2*maxBatch)
		}
	}
}

// All texts are in the memory that Buffers gives, also those of rows without a value.
func TestTextsAreInBuffers(t *testing.T) {
	cols := columns(t, "a text", "__batch_file text", "__rescued text", "n nested")
	var b Batch
	for _, rows := range []string{
		strings.Repeat(`{"a":"xyz","b":1,"n":[1],"__rescued":{"c":"d"}}`+"\n", 300) + strings.Repeat(`{"a":"\u0041é","__rescued":{"c":"d"}}`+"\n", 20_000),
		strings.Repeat(`{"b":1}`+"\n{}\n", 200),
	} {
		d := NewDecoder(strings.NewReader(rows), cols, Options{BatchID: "BATCH"})
		for d.Next(&b, 3000) == nil {
			for _, c := range b.Cols {
				for row, text := range c.Texts {
					if len(text) > 0 && !inside(b.Buffers(), text) {
						t.Fatalf("row %d: the text %q is not in the batch's buffers", row, text)
					}
				}
			}
		}
		if d.Rows() == 0 {
			t.Error("no rows")
		}
	}
}

func inside(buffers [][]byte, text string) bool {
	at := uintptr(unsafe.Pointer(unsafe.StringData(text)))
	for _, b := range buffers {
		from := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		if from <= at && at+uintptr(len(text)) <= from+uintptr(len(b)) {
			return true
		}
	}
	return false
}

func TestBatchMovesBetweenTables(t *testing.T) {
	var b Batch
	for i := range 6 {
		cols := [][]schema.Column{columns(t, "a text"), columns(t, "x int", "a int"), columns(t, "a bool", "b date", "c text")}[i%3]
		row := []string{`{"a":"1"}`, `{"a":1}`, `{"a":true}`}[i%3]
		want := []string{"1", "NULL|1", "true|NULL|NULL"}[i%3]
		d := NewDecoder(strings.NewReader(strings.Repeat(row+"\n", 70+i)), cols, Options{})
		if err := d.Next(&b, 1000); err != nil {
			t.Fatal(err)
		}
		if got := table(&b); len(got) != 70+i || got[0] != want || got[69] != want {
			t.Errorf("table %d got %d rows %q, want %d rows %q", i, len(got), got[0], 70+i, want)
		}
	}
}

// Two batches in turn: what one holds stays while the other is filled.
func TestBatchesInTurn(t *testing.T) {
	rows, cols := wide(1 << 20)
	want, err := readAll(NewDecoder(bytes.NewReader(rows), cols, Options{}), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(bytes.NewReader(rows), cols, Options{})
	var batches [2]Batch
	var got []string
	for i := 0; ; i++ {
		err := d.Next(&batches[i&1], 700)
		if i > 0 {
			got = append(got, table(&batches[1-i&1])...)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Error("the rows are others when two batches take turns")
	}
}

func TestNoAllocationPerValue(t *testing.T) {
	rows, cols := wide(1 << 20)
	cols = append(cols[:len(cols)-1], schema.Column{Name: "__rescued", Kind: schema.Text}) // "n" is rescued in each row
	r := bytes.NewReader(rows)
	d := NewDecoder(r, cols, Options{BatchID: "BATCH"})
	var b Batch
	got := testing.AllocsPerRun(5, func() {
		r.Reset(rows)
		d.err, d.in.eof, d.in.rest = nil, false, d.in.rest[:0]
		for d.Next(&b, 2048) == nil {
		}
	})
	if got > 1 {
		t.Errorf("got %v allocations for %d bytes, want none", got, len(rows))
	}
	if d.err != io.EOF || d.Rescued() != d.Rows() {
		t.Errorf("got %v and %d rescued in %d rows", d.err, d.Rescued(), d.Rows())
	}
}

// FuzzDecoder reads any bytes: they are an error, or rows of which each line is valid JSON.
func FuzzDecoder(f *testing.F) {
	for _, line := range malformed {
		f.Add([]byte("{}\n" + line + "\n"))
	}
	for _, v := range conversions {
		f.Add([]byte(`{"__row_id":"x","t":` + v.value + `,"i":` + v.value + `,"f":` + v.value + `,"d":` + v.value + `,"ts":` + v.value + "}\n"))
	}
	f.Add([]byte(`{"t":"x","i":"y","__rescued":{"i":1,"z":[{}]}} ` + "\n"))
	cols := columns(f, "t text", "i int", "f float", "b bool", "d date", "ts timestamp", "n nested", "__batch_file text", "__rescued text")
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readAll(NewDecoder(bytes.NewReader(in), cols, Options{BatchID: "BATCH"}), 2)
		again, errAgain := readAll(NewDecoder(bytes.NewReader(in), cols, Options{BatchID: "BATCH"}), 1000)
		if (err == nil) != (errAgain == nil) {
			t.Errorf("batches of 2 rows got %v, large ones %v", err, errAgain)
		}
		if err != nil {
			return
		}
		wantRows(t, got, again)
		i := 0
		for line := range bytes.Lines(in) {
			if !json.Valid(line) {
				t.Fatalf("line %q was read as %q, but it is not JSON", line, got[i])
			}
			i++
		}
		if i != len(got) {
			t.Errorf("got %d rows of %d lines", len(got), i)
		}
		for _, row := range got {
			if own := row[strings.LastIndex(row, "|BATCH|")+len("|BATCH|"):]; own != "NULL" && !json.Valid([]byte(own)) {
				t.Errorf("rescued %q is not JSON", own)
			}
		}
	})
}

// FuzzText sends a text there and back.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "\x00", `"\`, "é\u2028<&>", "😀", strings.Repeat("long ", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		var b Batch
		d := NewDecoder(strings.NewReader(`{"a":`+string(text)+`,"b":`+string(text)+"}\n"), columns(t, "a text", "b nested"), Options{})
		if err := d.Next(&b, 1); err != nil {
			t.Fatal(err)
		}
		if got := b.Cols[0].Texts[0]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := b.Cols[1].Texts[0]; got != string(text) {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}
