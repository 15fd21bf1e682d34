package ndjson

import "strings"

// How many row ids of an insert are kept, and how many bytes of them: a caller's own may be of any length.
const (
	maxRowIDs     = 10_000
	maxRowIDBytes = 4 << 20
)

// inserts finds where a file's inserts begin and end.
type inserts struct {
	first int64  // the row that begins the insert at hand
	mark  []byte // of the row at hand, the inside of a string; nil when it has none
	// The ids of the insert's first rows. Whether they are wanted only its last row says.
	ids  []byte
	ends []int
	full bool // there are more of them than are kept
}

// row notes the row's id, the inside of a string.
func (i *inserts) row(id []byte) {
	if i.full || len(i.ends) == maxRowIDs || len(i.ids)+len(id) > maxRowIDBytes {
		i.full = true // what is kept are the first ones, without a gap
		return
	}
	i.ids = append(i.ids, id...)
	i.ends = append(i.ends, len(i.ids))
}

// end ends the insert at hand, before the row next, and appends it to keyed if its last row has a mark.
func (i *inserts) end(keyed []KeyedRun, next int64) []KeyedRun {
	if i.mark != nil {
		run := KeyedRun{Mark: string(unescape(nil, i.mark)), First: i.first, Rows: next - i.first}
		if strings.HasSuffix(run.Mark, "+") {
			run.RowIDs = i.rowIDs()
		}
		keyed = append(keyed, run)
	}
	i.first, i.ids, i.ends, i.full = next, i.ids[:0], i.ends[:0], false
	return keyed
}

func (i *inserts) rowIDs() []string {
	list := make([]string, len(i.ends))
	from := 0
	for n, end := range i.ends {
		list[n] = string(unescape(nil, i.ids[from:end]))
		from = end
	}
	return list
}
