package result_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// TestArrowFirstRowsGoAtOnce: the schema and the first rows in one write, later ones in large record batches, and what
// went out before the end is a stream that a reader can follow.
func TestArrowFirstRowsGoAtOnce(t *testing.T) {
	const chunks = 100
	fields, batches := wide(chunks * 2048)
	var all bytes.Buffer
	w := &steps{}
	out := result.NewArrow(io.MultiWriter(w, &all))
	if err := out.Begin(fields); err != nil || len(w.sizes) != 0 {
		t.Fatalf("Begin: error %v and %d writes, want none", err, len(w.sizes))
	}
	empty := &vector.Batch{Cols: batches[0].Cols}
	if err := out.Write(empty); err != nil || len(w.sizes) != 0 {
		t.Fatalf("Write of no rows: error %v and %d writes, want none", err, len(w.sizes))
	}
	for i, b := range batches {
		if err := out.Write(b); err != nil {
			t.Fatal(err)
		}
		if i < 2 && len(w.sizes) == 0 {
			t.Fatal("the first rows wait")
		}
		if i == 0 {
			if got := readArrow(t, all.Bytes()); len(got.rows) != 2048 {
				t.Fatalf("after the first Write a reader has %d rows, want 2048", len(got.rows))
			}
		}
		if i > 0 && i < 30 && all.Len() > 300<<10 {
			t.Fatalf("after chunk %d there are %d bytes: it did not wait", i, all.Len())
		}
	}
	if err := out.End(); err != nil {
		t.Fatal(err)
	}
	got := readArrow(t, all.Bytes())
	if want := "[2048 65536 65536 65536 6144]"; fmt.Sprint(got.batches) != want {
		t.Errorf("record batches: got %v, want %s", got.batches, want)
	}
	wantCells(t, shower{}, got, batches...)
}

// TestArrowBatchesAreBounded: a chunk of large rows becomes several record batches, and a wide answer smaller ones.
func TestArrowBatchesAreBounded(t *testing.T) {
	large := &vector.Vector{Type: vector.Type{Kind: vector.Text}}
	for range 40 {
		large.Texts = append(large.Texts, strings.Repeat("x", 1<<20))
	}
	in := lists(vector.List, large, 10, 10, 10, 10)
	deep := structs([]string{"l"}, nil, in)
	for name, v := range map[string]*vector.Vector{"text": large, "list in a struct": deep} {
		rows := rowsOf(v)
		var out bytes.Buffer
		encode(t, format(t, "arrow"), &out, fieldsOf([]*vector.Vector{v}), &vector.Batch{Rows: rows, Cols: []*vector.Vector{v}})
		r, err := ipc.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for r.Next() {
			n := int(r.RecordBatch().NumRows())
			if size := n * 40 / rows; size > 16 && n > 1 {
				t.Errorf("%s: a record batch of %d MiB", name, size)
			}
			got += n
		}
		if got != rows || r.Err() != nil {
			t.Errorf("%s: got %d rows, error %v, want %d", name, got, r.Err(), rows)
		}
	}
}

// TestCutAnswerIsNotWhole: without End a Parquet file cannot be opened, and an Arrow stream has no end mark.
func TestCutAnswerIsNotWhole(t *testing.T) {
	fields, batches := narrow(300_000)
	for _, name := range []string{"arrow", "parquet"} {
		for _, end := range []bool{false, true} {
			var out bytes.Buffer
			w := format(t, name).New(&out)
			if err := w.Begin(fields); err != nil {
				t.Fatal(err)
			}
			for range 5 { // more than a row group
				for _, b := range batches {
					if err := w.Write(b); err != nil {
						t.Fatal(err)
					}
				}
			}
			if out.Len() == 0 {
				t.Fatalf("%s: nothing went out before the end", name)
			}
			if end {
				if err := w.End(); err != nil {
					t.Fatal(err)
				}
			}
			whole := bytes.HasSuffix(out.Bytes(), []byte("\xff\xff\xff\xff\x00\x00\x00\x00"))
			if name == "parquet" {
				_, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
				whole = err == nil
			}
			if whole != end {
				t.Errorf("%s with End %v: whole is %v", name, end, whole)
			}
		}
	}
}

// TestParquetRowGroups: they are of bounded size, and their statistics are those of their own rows.
func TestParquetRowGroups(t *testing.T) {
	fields, batches := narrow(2_500_000)
	var out bytes.Buffer
	encode(t, format(t, "parquet"), &out, fields, batches...)
	r, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	rows, next := int64(0), int64(0)
	for i := range r.NumRowGroups() {
		g := r.MetaData().RowGroup(i)
		rows += g.NumRows()
		if g.NumRows() > 1<<20 || g.TotalByteSize() > 96<<20 {
			t.Errorf("row group %d: %d rows, %d bytes", i, g.NumRows(), g.TotalByteSize())
		}
		c, err := g.ColumnChunk(0)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Statistics()
		if err != nil || s == nil || !s.HasMinMax() {
			t.Fatalf("row group %d: no statistics: %v", i, err)
		}
		if got := fmt.Sprintf("%x %x", s.EncodeMin(), s.EncodeMax()); got != fmt.Sprintf("%x %x", little(next), little(rows-1)) {
			t.Errorf("row group %d: least and greatest are %s", i, got)
		}
		next = rows
	}
	if rows != 2_500_000 || r.NumRowGroups() < 3 {
		t.Errorf("got %d rows in %d row groups", rows, r.NumRowGroups())
	}
}

// TestParquetRowGroupsAreBoundedByBytes: few rows may be many bytes.
func TestParquetRowGroupsAreBoundedByBytes(t *testing.T) {
	v := &vector.Vector{Type: vector.Type{Kind: vector.Text}, Texts: make([]string, 1024)}
	var out bytes.Buffer
	w := result.NewParquet(&out)
	if err := w.Begin(fieldsOf([]*vector.Vector{v})); err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		for i := range v.Texts {
			v.Texts[i] = fmt.Sprintf("%01024d", n*1024+i)
		}
		if err := w.Write(&vector.Batch{Rows: len(v.Texts), Cols: []*vector.Vector{v}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.NumRowGroups() {
		if rows := r.MetaData().RowGroup(i).NumRows(); rows > 80<<10 {
			t.Errorf("row group %d has %d MiB", i, rows>>10)
		}
	}
}

func little(x int64) []byte {
	var b []byte
	for range 8 {
		b = append(b, byte(x))
		x >>= 8
	}
	return b
}

// narrow gives the first column of wide.
func narrow(rows int) ([]vector.Field, []*vector.Batch) {
	fields, _ := wide(1)
	var list []*vector.Batch
	for from := 0; from < rows; from += 2048 {
		ids := &vector.Vector{Type: fields[0].Type}
		for i := from; i < min(from+2048, rows); i++ {
			ids.Ints = append(ids.Ints, int64(i))
		}
		list = append(list, &vector.Batch{Rows: len(ids.Ints), Cols: []*vector.Vector{ids}})
	}
	return fields[:1], list
}

// TestColumnarMemoryIsConstant writes 1.2 M rows and looks at the heap all the way.
func TestColumnarMemoryIsConstant(t *testing.T) {
	const rows, at = 1_200_000, 2048
	fields, batches := wide(100 * at)
	for name, bound := range map[string]uint64{"arrow": 64 << 20, "parquet": 128 << 20} {
		w := format(t, name).New(io.Discard)
		if err := w.Begin(fields); err != nil {
			t.Fatal(err)
		}
		var begin, early, most uint64
		begin = heap()
		for n := 0; n < rows; n += at {
			if err := w.Write(batches[n/at%len(batches)]); err != nil {
				t.Fatal(err)
			}
			if n/at%25 == 0 {
				now := heap()
				if n <= rows/10 {
					early = max(early, now)
				}
				most = max(most, now)
			}
		}
		if err := w.End(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d MiB more than before after a tenth, %d MiB at most", name, (early-begin)>>20, (most-begin)>>20)
		if most > begin+bound || name == "arrow" && most > early+8<<20 {
			t.Errorf("%s: the heap went from %d to %d MiB, %d after a tenth", name, begin>>20, most>>20, early>>20)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestArrowAllocatesPerBatch: nothing is allocated for a row or a cell.
func TestArrowAllocatesPerBatch(t *testing.T) {
	fields, batches := wide(2048)
	out := result.NewArrow(io.Discard)
	if err := out.Begin(fields); err != nil {
		t.Fatal(err)
	}
	write := func() {
		for range 32 { // a record batch
			if err := out.Write(batches[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	if got := testing.AllocsPerRun(10, write); got > 200 {
		t.Errorf("got %v allocations for 65,536 rows, want 200 at most", got)
	}
}

// TestArrowBoolsOfNullRows: a database may have any byte in the place of a bool that is NULL.
func TestArrowBoolsOfNullRows(t *testing.T) {
	bytesOf := []byte{1, 0xff, 0, 0xfe, 1, 7, 1, 0, 0, 0x80, 1}
	v := vec(vector.Type{Kind: vector.Bool}, len(bytesOf), []int{1, 3, 5, 9}, func(v *vector.Vector) {
		v.Bools = unsafe.Slice((*bool)(unsafe.Pointer(&bytesOf[0])), len(bytesOf))
	})
	var out bytes.Buffer
	encode(t, format(t, "arrow"), &out, fieldsOf([]*vector.Vector{v}), &vector.Batch{Rows: len(bytesOf), Cols: []*vector.Vector{v}})
	if got, want := fmt.Sprint(readArrow(t, out.Bytes()).rows), "[[true] [NULL] [false] [NULL] [true] [NULL] [true] [false] [false] [NULL] [true]]"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	r, err := ipc.NewReader(bytes.NewReader(out.Bytes()))
	if err != nil || !r.Next() {
		t.Fatal(err)
	}
	if bits := r.RecordBatch().Column(0).Data().Buffers()[1].Bytes()[:2]; bits[0] != 0b01010001 || bits[1] != 0b100 {
		t.Errorf("bits: got %08b, want those of NULL rows to be 0", bits)
	}
}
