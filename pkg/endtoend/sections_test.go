package endtoend

import (
	"maps"
	"slices"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/builtin"
)

// A driver that is added to the program needs a line in this package, so that it is tested with all others.
func TestEveryDriverIsHere(t *testing.T) {
	d := builtin.List(t.TempDir())
	for port, lists := range map[string][2][]string{
		"queues": {slices.Sorted(maps.Keys(d.Queues)), slices.Sorted(maps.Keys(queues))},
		"stores": {slices.Sorted(maps.Keys(d.BlobStores)), slices.Sorted(maps.Keys(stores))},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s: got %q here, want those of the program: %q", port, lists[1], lists[0])
		}
	}
}
