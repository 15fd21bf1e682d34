package result_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// wide makes batches of 2,048 rows and seven columns, like those of the benchmark of the whole program.
func wide(rows int) ([]vector.Field, []*vector.Batch) {
	fields := []vector.Field{
		{Name: "id", Type: vector.Type{Kind: vector.Int, Bits: 64}},
		{Name: "name", Type: vector.Type{Kind: vector.Text}},
		{Name: "score", Type: vector.Type{Kind: vector.Float, Bits: 64}},
		{Name: "ts", Type: vector.Type{Kind: vector.Timestamp, Unit: time.Microsecond, Zone: true}},
		{Name: "ok", Type: vector.Type{Kind: vector.Bool}},
		{Name: "note", Type: vector.Type{Kind: vector.Text}},
		{Name: "big", Type: vector.Type{Kind: vector.Int, Bits: 64}},
	}
	var batches []*vector.Batch
	for from := 0; from < rows; from += 2048 {
		b := &vector.Batch{Rows: min(2048, rows-from)}
		for _, f := range fields {
			b.Cols = append(b.Cols, &vector.Vector{Type: f.Type})
		}
		for i := from; i < from+b.Rows; i++ {
			b.Cols[0].Ints = append(b.Cols[0].Ints, int64(i))
			b.Cols[1].Texts = append(b.Cols[1].Texts, fmt.Sprintf("user-%d", i%1000))
			b.Cols[2].Floats = append(b.Cols[2].Floats, float64(i%10007)/4+0.125)
			b.Cols[3].Ints = append(b.Cols[3].Ints, (1767225600+int64(i))*1e6)
			b.Cols[4].Bools = append(b.Cols[4].Bools, i%2 == 1)
			b.Cols[5].Texts = append(b.Cols[5].Texts, fmt.Sprintf("some longer text %d", i%100))
			b.Cols[6].Ints = append(b.Cols[6].Ints, int64(i)*7919)
		}
		batches = append(batches, b)
	}
	return fields, batches
}

func encode(tb testing.TB, f result.Format, w io.Writer, fields []vector.Field, batches ...*vector.Batch) {
	tb.Helper()
	out := f.New(w)
	if err := out.Begin(fields); err != nil {
		tb.Fatal(err)
	}
	for _, b := range batches {
		if err := out.Write(b); err != nil {
			tb.Fatal(err)
		}
	}
	if err := out.End(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkEncode writes a million rows of seven columns.
func BenchmarkEncode(b *testing.B) {
	const rows = 1_000_000
	fields, batches := wide(rows)
	for _, f := range result.Formats() {
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encode(b, f, io.Discard, fields, batches...)
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/Mrow")
		})
	}
}

func BenchmarkEncodeRandomFloats(b *testing.B) {
	v := &vector.Vector{Type: vector.Type{Kind: vector.Float, Bits: 64}}
	x := uint64(1)
	for range 2048 {
		x = x*6364136223846793005 + 1442695040888963407
		v.Floats = append(v.Floats, float64(x>>11)/(1<<53))
	}
	batch := &vector.Batch{Rows: 2048, Cols: []*vector.Vector{v}}
	fields := []vector.Field{{Name: "x", Type: v.Type}}
	for b.Loop() {
		encode(b, result.Formats()[0], io.Discard, fields, batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2048, "ns/row")
}

// BenchmarkRows writes a million rows of seven columns as NDJSON for people, and as rows for a table, which have an id more.
func BenchmarkRows(b *testing.B) {
	const rows = 1_000_000
	fields, batches := wide(rows)
	for _, w := range []struct {
		name string
		new  func() result.Writer
	}{
		{"ndjson", func() result.Writer { return result.NewNDJSON(io.Discard) }},
		{"rows", func() result.Writer { return result.NewRows(io.Discard, rowid.NewSource(), 1<<20) }},
	} {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encode(b, result.Format{New: func(io.Writer) result.Writer { return w.new() }}, nil, fields, batches...)
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/Mrow")
		})
	}
}
