package ingest

import (
	"testing"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

func TestColumnsMerge(t *testing.T) {
	col := func(name string, kinds ...schema.Kind) schema.Seen {
		s := schema.Seen{Name: name}
		for _, k := range kinds {
			s.Kinds = s.Kinds.With(k)
		}
		return s
	}
	for _, tt := range []struct {
		name    string
		inserts [][]schema.Seen
		want    string
	}{
		{"nothing", nil, ""},
		{"one insert", [][]schema.Seen{{col("a", schema.Int), col("b", schema.Text)}}, "a:int b:text"},
		{"the same again", [][]schema.Seen{{col("a", schema.Int)}, {col("a", schema.Int)}}, "a:int"},
		{"another kind", [][]schema.Seen{{col("a", schema.Int)}, {col("a", schema.Null, schema.Text)}}, "a:null|int|text"},
		{"other order", [][]schema.Seen{{col("a", schema.Int), col("b", schema.Int)}, {col("b", schema.Text), col("a", schema.Float)}}, "a:int|float b:int|text"},
		{"more and fewer", [][]schema.Seen{{col("a", schema.Int)}, {col("b", schema.Int)}, {col("c", schema.Int), col("a", schema.Bool)}, {}},
			"a:bool|int b:int c:int"},
		{"no row but ids", [][]schema.Seen{{}, {col("a", schema.Int)}}, "a:int"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c columns
			for _, seen := range tt.inserts {
				c.merge(seen)
			}
			if got := seenText(c.list); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The columns of a shared batch are those of all its inserts.
func TestSharedBatchIsDescribed(t *testing.T) {
	w := newWriter(t, nil)
	insert(t, w, `{"a":1,"b":"x"}`, Options{})
	insert(t, w, `[{"b":true},{"c":null}]`, Options{})
	sealAll(w)
	r := next(t, w)
	if got, want := seenText(r.Seen), "a:int b:bool|text c:null"; got != want || r.Rows != 3 {
		t.Errorf("got %d rows with columns %q, want 3 with %q", r.Rows, got, want)
	}
}
