package result_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// failer is what tests and properties both have.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func format(t failer, name string) result.Format {
	t.Helper()
	f, err := result.FormatOf(name, "")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// table is what was read back: types, and rows of cells as shown.
type table struct {
	names, types []string
	rows         [][]string
	batches      []int64 // rows of each record batch
}

func (tb *table) take(schema *arrow.Schema, b arrow.RecordBatch) {
	tb.head(schema)
	tb.batches = append(tb.batches, b.NumRows())
	for i := range int(b.NumRows()) {
		var row []string
		for _, c := range b.Columns() {
			row = append(row, showArrow(c, i))
		}
		tb.rows = append(tb.rows, row)
	}
}

func (tb *table) head(schema *arrow.Schema) {
	tb.names, tb.types = nil, nil
	for _, f := range schema.Fields() {
		tb.names, tb.types = append(tb.names, f.Name), append(tb.types, f.Type.String())
	}
}

// readArrow reads an IPC stream, which the reader checks as it goes.
func readArrow(t failer, b []byte) *table {
	t.Helper()
	r, err := ipc.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	tb := &table{}
	tb.head(r.Schema())
	for r.Next() {
		for i, c := range r.RecordBatch().Columns() {
			checkArray(t, fmt.Sprint("column ", i), c)
		}
		tb.take(r.Schema(), r.RecordBatch())
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return tb
}

// checkArray looks at what a reader relies on: offsets, and nothing of a database's memory where there is no value.
func checkArray(t failer, where string, c arrow.Array) {
	t.Helper()
	if v, ok := c.(interface{ ValidateFull() error }); ok {
		if err := v.ValidateFull(); err != nil {
			t.Fatalf("%s: %v", where, err)
		}
	}
	if typ, ok := c.DataType().(arrow.FixedWidthDataType); ok && typ.BitWidth() >= 8 && c.NullN() > 0 {
		width := typ.BitWidth() / 8
		raw := c.Data().Buffers()[1].Bytes()
		for i := range c.Len() {
			if c.IsNull(i) && !bytes.Equal(raw[i*width:(i+1)*width], make([]byte, width)) {
				t.Fatalf("%s: row %d is NULL and holds %x", where, i, raw[i*width:(i+1)*width])
			}
		}
	}
	if v, ok := c.(interface{ ValueOffset(i int) int }); ok {
		for i := range c.Len() - 1 {
			if c.IsNull(i) && v.ValueOffset(i) != v.ValueOffset(i+1) {
				t.Fatalf("%s: row %d is NULL and has a text", where, i)
			}
		}
	}
	for i, k := range c.Data().Children() {
		checkArray(t, fmt.Sprint(where, ".", i), array.MakeFromData(k))
	}
}

func readParquet(t failer, b []byte) *table {
	t.Helper()
	p, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close() //nolint:errcheck // it reads memory
	r, err := pqarrow.NewFileReader(p, pqarrow.ArrowReadProperties{BatchSize: 1000}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	batches, err := r.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer batches.Release()
	tb := &table{}
	tb.head(batches.Schema())
	for batches.Next() {
		tb.take(batches.Schema(), batches.RecordBatch())
	}
	if err := batches.Err(); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return tb
}

// showArrow prints a cell as showVector prints what it came from.
func showArrow(c arrow.Array, i int) string {
	if c.IsNull(i) || c.DataType().ID() == arrow.NULL { // an array of nulls alone says that they are none
		return "NULL"
	}
	switch a := c.(type) {
	case *array.Decimal128:
		return a.Value(i).BigInt().String()
	case *array.Float32:
		return showFloat(float64(a.Value(i)))
	case *array.Float64:
		return showFloat(a.Value(i))
	case *array.String:
		return fmt.Sprintf("%q", a.Value(i))
	case *array.Binary:
		return "0x" + hex.EncodeToString(a.Value(i))
	case *array.MonthDayNanoInterval:
		v := a.Value(i)
		return fmt.Sprint(v.Months, " ", v.Days, " ", v.Nanoseconds)
	case *array.Date32:
		return fmt.Sprint(int64(a.Value(i)))
	case *array.Time32:
		return fmt.Sprint(int64(a.Value(i)))
	case *array.Time64:
		return fmt.Sprint(int64(a.Value(i)))
	case *array.Timestamp:
		return fmt.Sprint(int64(a.Value(i)))
	case *array.Struct:
		var parts []string
		for k := range a.NumField() {
			parts = append(parts, showArrow(a.Field(k), i))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case array.ListLike: // maps too
		from, to := a.ValueOffsets(i)
		var parts []string
		for k := from; k < to; k++ {
			parts = append(parts, showArrow(a.ListValues(), int(k)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	default:
		return c.ValueStr(i)
	}
}

func showFloat(f float64) string {
	if math.IsNaN(f) {
		return "NaN"
	}
	return fmt.Sprintf("%x", f)
}

// shower prints the cells of a vector as the formats are to give them.
type shower struct{ parquet bool }

func (s shower) cell(v *vector.Vector, i int) string {
	if v.IsNull(i) {
		return "NULL"
	}
	switch v.Type.Kind {
	case vector.Bool:
		return fmt.Sprint(v.Bools[i])
	case vector.Int:
		return fmt.Sprint(v.Ints[i])
	case vector.Uint:
		return fmt.Sprint(v.Uints[i])
	case vector.Float:
		return showFloat(v.Floats[i])
	case vector.Int128, vector.Decimal:
		return showNumber(v, i)
	case vector.Date, vector.Time, vector.Timestamp:
		return s.moment(v, i)
	case vector.Text, vector.JSON, vector.Number:
		return fmt.Sprintf("%q", string([]rune(v.Texts[i])))
	case vector.Blob:
		return "0x" + hex.EncodeToString([]byte(v.Texts[i]))
	case vector.Interval:
		x := v.Intervals[i]
		if s.parquet {
			return showAsJSON(v, i)
		}
		return fmt.Sprint(x.Months, " ", x.Days, " ", x.Micros*1000)
	case vector.UUID:
		return showAsJSON(v, i)
	case vector.Struct:
		return s.fields(v, i)
	default:
		var parts []string
		for k := range v.Spans[i].Length {
			parts = append(parts, s.cell(v.Elem, int(v.Spans[i].Offset+k)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
}

func (s shower) moment(v *vector.Vector, i int) string {
	x := v.Ints[i]
	if v.Type.Kind != vector.Time && (x == vector.Infinity || x == -vector.Infinity) {
		return "NULL"
	}
	if s.parquet && v.Type.Kind != vector.Date && v.Type.Unit == time.Second {
		x *= 1000 // Parquet has no seconds
	}
	return fmt.Sprint(x)
}

func (s shower) fields(v *vector.Vector, i int) string {
	if len(v.Fields) == 0 {
		return `"{}"`
	}
	var parts []string
	for _, f := range v.Fields {
		parts = append(parts, s.cell(f, i))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func showNumber(v *vector.Vector, i int) string {
	if v.Type.Kind == vector.Decimal && v.Type.Precision <= 18 {
		return fmt.Sprint(v.Ints[i])
	}
	w := v.Wides[i]
	n := big.NewInt(w.Hi)
	if v.Type.Unsigned {
		n.SetUint64(uint64(w.Hi))
	}
	n.Add(n.Lsh(n, 64), new(big.Int).SetUint64(w.Lo))
	if v.Type.Unsigned {
		return `"` + n.String() + `"`
	}
	return n.String()
}

// showAsJSON takes the text that JSON has for the cell.
func showAsJSON(v *vector.Vector, i int) string {
	one := *v
	one.Valid = nil
	switch v.Type.Kind {
	case vector.UUID:
		one.Wides = v.Wides[i : i+1]
	case vector.Interval:
		one.Intervals = v.Intervals[i : i+1]
	}
	var out bytes.Buffer
	w := result.NewNDJSON(&out)
	if w.Begin([]vector.Field{{Name: "v", Type: v.Type}}) != nil || w.Write(&vector.Batch{Rows: 1, Cols: []*vector.Vector{&one}}) != nil || w.End() != nil {
		return "no JSON"
	}
	return strings.TrimSuffix(strings.TrimPrefix(out.String(), `{"v":`), "}\n")
}

func wantCells(t failer, s shower, got *table, batches ...*vector.Batch) {
	t.Helper()
	n := 0
	for _, b := range batches {
		for i := range b.Rows {
			if n >= len(got.rows) {
				t.Fatalf("got %d rows, want more", len(got.rows))
			}
			for c, v := range b.Cols {
				if want := s.cell(v, i); got.rows[n][c] != want {
					t.Fatalf("row %d, column %d (%+v)\n got %s\nwant %s", n, c, v.Type, got.rows[n][c], want)
				}
			}
			n++
		}
	}
	if n != len(got.rows) {
		t.Fatalf("got %d rows, want %d", len(got.rows), n)
	}
}
