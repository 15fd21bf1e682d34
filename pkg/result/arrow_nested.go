package result

import (
	"errors"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// errNullKey ends a query whose map has a key that arrow has no value for.
var errNullKey = errors.New("a map's key is null")

// fillLists appends the elements of lists that lie one after the other at once, as they nearly always do.
func fillLists(c *arrowColumn, v *vector.Vector, from, to int) error {
	elem, n := c.kids[0], c.kids[0].rows
	var run vector.Span
	flush := func() error {
		if run.Length == 0 {
			return nil
		}
		return elem.append(v.Elem, int(run.Offset), int(run.Offset+run.Length))
	}
	for i := from; i < to; i++ {
		if s := v.Spans[i]; !v.IsNull(i) && s.Length > 0 {
			if run.Offset+run.Length != s.Offset {
				if err := flush(); err != nil {
					return err
				}
				run = vector.Span{Offset: s.Offset}
			}
			run.Length += s.Length
			n += int(s.Length)
		}
		at, err := end(n)
		if err != nil {
			return err
		}
		c.offsets = append(c.offsets, at)
	}
	return flush()
}

func fillMaps(c *arrowColumn, v *vector.Vector, from, to int) error {
	if err := fillLists(c, v, from, to); err != nil {
		return err
	}
	if entry := c.kids[0]; entry.valid.zeros > 0 || entry.kids[0].valid.zeros > 0 {
		return errNullKey
	}
	return nil
}

// fillStructs appends the fields. What they hold where the struct is NULL means nothing, so it is not looked at.
func fillStructs(c *arrowColumn, v *vector.Vector, from, to int) error {
	for at := from; at < to; {
		next, null := runEnd(v, at, to)
		for k, f := range v.Fields {
			if null {
				c.kids[k].appendNulls(next - at)
			} else if err := c.kids[k].append(f, at, next); err != nil {
				return err
			}
		}
		at = next
	}
	return nil
}

// runEnd gives the end of the run of rows from at that are all NULL or all not.
func runEnd(v *vector.Vector, at, to int) (next int, null bool) {
	if v.Valid == nil && v.Type.Kind != vector.Null {
		return to, false
	}
	null = v.IsNull(at)
	for next = at + 1; next < to && v.IsNull(next) == null; next++ {
	}
	return next, null
}
