package flatten

import (
	"bytes"
	"fmt"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// failure is why a row cannot be read. It is cheap to note, for it is met at the end of each buffer too.
type failure struct {
	pos  int
	kind failureKind
	text string
}

type failureKind uint8

const (
	invalid    failureKind = iota
	deep                   // Limits.Depth
	large                  // Limits.RowBytes
	manyRows               // Limits.Rows
	manyTables             // Limits.Tables
)

// fail notes that what is at pos is not valid. At the end of the buffer it means that the row goes on.
func (f *Flattener) fail(pos int, text string) int {
	f.why = failure{pos, invalid, text}
	return -1
}

// failAs notes that what is at pos is beyond a limit.
func (f *Flattener) failAs(kind failureKind, pos int) int {
	f.why = failure{pos: pos, kind: kind}
	return -1
}

// failed makes an error of the failure.
func (f *Flattener) failed() error {
	switch f.why.kind {
	case deep:
		return fault.New(fault.Unprocessable, "too_deep",
			"the row nests more than %d levels deep, %s", f.limits.Depth, f.at(f.why.pos))
	case large:
		return f.tooLarge()
	case manyRows:
		return fault.New(fault.Unprocessable, "too_many_rows",
			"the object becomes more than %d rows, %s", f.limits.Rows, f.at(f.why.pos))
	case manyTables:
		return fault.New(fault.Unprocessable, "too_many_tables",
			"the rows are for more than %d other tables, %s", f.limits.Tables, f.at(f.why.pos))
	}
	return f.invalid(f.why.pos, f.why.text)
}

// invalid says that the body is not JSON at pos, because of why.
func (f *Flattener) invalid(pos int, why string) error {
	found := "the body ends"
	if pos < f.in.end {
		found = fmt.Sprintf("found %q", f.in.buf[pos:pos+1])
	}
	return fault.New(fault.Invalid, "invalid_json", "invalid JSON %s: %s, %s", f.at(pos), why, found)
}

// tooLarge says that the row at hand has too many bytes.
func (f *Flattener) tooLarge() error {
	return fault.New(fault.TooLarge, "row_too_large", "the row %s is larger than %d bytes, or than %d when flat",
		f.at(f.in.pos), f.limits.RowBytes, f.maxRow())
}

// notObject says that the value on the body's top level at pos is not an object.
func (f *Flattener) notObject() error {
	var what string
	switch c := f.in.buf[f.in.pos]; {
	case c == '"':
		what = "a string"
	case c == '[':
		what = "an array"
	case c == '-' || isDigit(c):
		what = "a number"
	case c == 't' || c == 'f' || c == 'n':
		what = "true, false or null"
	default:
		return f.invalid(f.in.pos, "want an object")
	}
	return fault.New(fault.Invalid, "not_an_object",
		"a row must be an object: element %d, %s, is %s", f.index, f.at(f.in.pos), what)
}

// at says where in the body pos is.
func (f *Flattener) at(pos int) string {
	offset := f.in.off + int64(pos)
	if f.in.array {
		return fmt.Sprintf("at byte %d", offset)
	}
	line := 1 + f.in.lines + int64(bytes.Count(f.in.buf[:pos], []byte{'\n'}))
	return fmt.Sprintf("at byte %d (line %d)", offset, line)
}
