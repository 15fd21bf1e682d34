package transport

import (
	"encoding/json"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
)

type shelf = destinationtest.Shelf

func newShelf() *shelf { return destinationtest.NewShelf() }

// numbersIn counts how often each value of the column n is there.
func numbersIn(s *shelf) (map[int]int, error) {
	times := make(map[int]int)
	for _, line := range s.Lines() {
		var row struct{ N int }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			return nil, err
		}
		times[row.N]++
	}
	return times, nil
}
