package rowid

import "testing"

func TestPartsAreTheirBatchs(t *testing.T) {
	s := NewSource()
	batch, next := s.Batch(), s.Batch()
	seen := map[string]bool{batch: true, next: true}
	for n := 1; n <= 300; n++ {
		id := Part(batch, n)
		if seen[id] {
			t.Fatalf("part %d is %s, which is another's", n, id)
		}
		seen[id] = true
		if of, _, _, err := ParseReceipt(id); err != nil || of != batch {
			t.Errorf("part %d, %s, is of batch %s, %v, want %s", n, id, of, err, batch)
		}
		if id <= batch || id >= next {
			t.Errorf("part %d, %s, is not between its batch %s and the next, %s", n, id, batch, next)
		}
	}
}
