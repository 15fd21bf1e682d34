package vector

import "testing"

func TestIsNull(t *testing.T) {
	type nulls map[int]bool
	for _, tt := range []struct {
		name string
		v    Vector
		want nulls
	}{
		{"no mask", Vector{Type: Type{Kind: Int}}, nulls{0: false, 63: false, 64: false, 5000: false}},
		{"all valid", Vector{Type: Type{Kind: Int}, Valid: []uint64{^uint64(0)}}, nulls{0: false, 31: false, 63: false}},
		{"none valid", Vector{Type: Type{Kind: Int}, Valid: []uint64{0, 0}}, nulls{0: true, 63: true, 64: true, 127: true}},
		{"first", Vector{Type: Type{Kind: Text}, Valid: []uint64{1}}, nulls{0: false, 1: true, 63: true}},
		{"last of a word", Vector{Type: Type{Kind: Text}, Valid: []uint64{1 << 63, 0}}, nulls{0: true, 62: true, 63: false, 64: true}},
		{"first of the second word", Vector{Type: Type{Kind: List}, Valid: []uint64{0, 1}}, nulls{0: true, 63: true, 64: false, 65: true}},
		{"every other", Vector{Type: Type{Kind: Struct}, Valid: []uint64{0x5555555555555555, 0xaaaaaaaaaaaaaaaa}},
			nulls{0: false, 1: true, 62: false, 63: true, 64: true, 65: false, 126: true, 127: false}},
		{"the kind of no values", Vector{}, nulls{0: true, 64: true, 5000: true}},
		{"the kind of no values, whatever its mask", Vector{Valid: []uint64{^uint64(0)}}, nulls{0: true, 63: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, want := range tt.want {
				if got := tt.v.IsNull(i); got != want {
					t.Errorf("row %d: got %t, want %t", i, got, want)
				}
			}
		})
	}
}
