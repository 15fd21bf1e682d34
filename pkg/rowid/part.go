package rowid

import (
	"encoding/binary"

	"github.com/oklog/ulid/v2"
)

// Part returns the id of part n, from 1 on, of batch: what it has for one of several tables. As a receipt it is one of the
// batch's.
func Part(batch string, n int) string {
	id, err := ulid.ParseStrict(batch)
	if err != nil {
		return batch
	}
	lo := binary.BigEndian.Uint64(id[8:])&^(1<<40-1) | uint64(n)&(1<<40-1)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id.String()
}
