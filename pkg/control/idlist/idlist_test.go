package idlist

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestPack(t *testing.T) {
	for name, want := range map[string][]string{
		"nil": nil, "none": {}, "an empty one": {""}, "any bytes": {"", "a\x00b", "\xff\xfe", "🦆"},
		"long ones": {strings.Repeat("a", 127), strings.Repeat("b", 128), strings.Repeat("c", 100_000)},
	} {
		got, err := Unpack(Pack(want))
		if err != nil || !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: got %.60q and %v, want %.60q", name, got, err, want)
		}
	}
}

func TestUnpackOfWhatIsBroken(t *testing.T) {
	whole := Pack([]string{"a", strings.Repeat("b", 200)})
	broken := map[string][]byte{
		"more than there are":     append(slices.Clone(whole), 'c'),
		"a length beyond all":     []byte("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"),
		"a number beyond all":     []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"),
		"a number beyond numbers": []byte(strings.Repeat("\xff", 11)),
	}
	for n := range len(whole) {
		broken[fmt.Sprintf("%d of %d bytes", n, len(whole))] = whole[:n]
	}
	for name, b := range broken {
		if ids, err := Unpack(b); err == nil {
			t.Errorf("%s: got %q, want an error", name, ids)
		}
	}
}
