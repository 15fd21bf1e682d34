package schema

// Reason is why a value went to __rescued.
type Reason uint8

// The reasons.
const (
	Unfit     Reason = iota // its column could not hold it without loss
	Homeless                // it has no column: the table has as many as it may, or cannot have this one
	Duplicate               // the row had another value for the same column
	Reserved                // its name is one of Scratch Data's own columns
	reasons
)

var reasonNames = [reasons]string{"unfit", "no_column", "duplicate", "reserved"}

// String gives the reason's name.
func (r Reason) String() string { return reasonNames[r] }

// Reasons lists all reasons.
func Reasons() []Reason { return []Reason{Unfit, Homeless, Duplicate, Reserved} }

// Rescues counts rescued values by reason.
type Rescues [reasons]int64

// Total is how many values were rescued, whatever the reason.
func (r Rescues) Total() (n int64) {
	for _, of := range r {
		n += of
	}
	return n
}
