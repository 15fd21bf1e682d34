package rowid

import (
	"encoding/binary"

	"github.com/oklog/ulid/v2"
)

// The parts of an Int63.
const (
	int63Low  = 21 // bits
	int63Time = 42 // bits, which last until the year 2109
)

// Int63 makes a number of a ULID, for tables whose row id is an integer: 42 bits of its milliseconds, then the low 21
// bits of its rest. It is not ok for what is no ULID, or one of a time after 2109.
//
// Numbers rise as the ULIDs of one process do while a millisecond's ids do not pass a multiple of 2^21. Those that a
// process makes are unique up to 2,097,152 ids a millisecond. Those of two processes are not: of n ids that two processes
// each make in the same millisecond, two are the same with a chance of about n in a million.
func Int63(id string) (n int64, ok bool) {
	parsed, err := ulid.ParseStrict(id)
	if err != nil || parsed.Time() >= 1<<int63Time {
		return 0, false
	}
	low := binary.BigEndian.Uint64(parsed[8:]) & (1<<int63Low - 1)
	return int64(parsed.Time()<<int63Low | low), true
}
