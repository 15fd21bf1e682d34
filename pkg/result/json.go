package result

import (
	"fmt"
	"io"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// NewJSON encodes an answer as one JSON array of objects, a row a line.
func NewJSON(w io.Writer) Writer {
	return &encoder{w: w, plan: func(cols []vector.Field) (frame, []column, error) {
		c, err := notation{}.columns(cols)
		return frame{none: "[]\n", first: "[\n", next: ",\n", close: "}", last: "\n]\n", null: "null"}, c, err
	}}
}

// NewNDJSON encodes an answer as JSON objects, one a line.
func NewNDJSON(w io.Writer) Writer {
	return &encoder{w: w, plan: func(cols []vector.Field) (frame, []column, error) {
		c, err := notation{}.columns(cols)
		return frame{close: "}\n", null: "null"}, c, err
	}}
}

// notation is how values are written as JSON.
type notation struct {
	exact bool // for another database, and not for people: what JSON has no words for is text
	inner bool // inside a nested value
}

func (n notation) columns(cols []vector.Field) ([]column, error) {
	out := make([]column, len(cols))
	for i, name := range unique(cols) {
		c, err := n.cell(cols[i].Type)
		if err != nil {
			return nil, fmt.Errorf("encode column %q: %w", cols[i].Name, err)
		}
		out[i] = column{before: jsonKey(i, name), cell: c}
	}
	return out, nil
}

// jsonKey is what comes before the i-th member's value.
func jsonKey(i int, name string) string {
	lead := byte(',')
	if i == 0 {
		lead = '{'
	}
	return string(append(appendJSONString([]byte{lead}, name), ':'))
}

// cell gives the function for values of type t in JSON.
func (n notation) cell(t vector.Type) (cell, error) {
	if n.exact {
		if c := n.exactCell(t); c != nil {
			return c, nil
		}
	}
	switch t.Kind {
	case vector.Text:
		return func(dst []byte, v *vector.Vector, i int) []byte { return appendJSONString(dst, v.Texts[i]) }, nil
	case vector.JSON:
		return func(dst []byte, v *vector.Vector, i int) []byte { return appendRawJSON(dst, v.Texts[i]) }, nil
	case vector.Float:
		return floatCell(t, jsonNulls), nil
	case vector.List:
		return n.within().list(t)
	case vector.Struct:
		return n.within().structure(t)
	case vector.Map:
		return n.within().mapping(t)
	}
	if c := numberCell(t); c != nil {
		return c, nil
	}
	c := wordCell(t)
	if c == nil {
		return nil, fmt.Errorf("there is no text for values of kind %d", t.Kind)
	}
	return func(dst []byte, v *vector.Vector, i int) []byte {
		return append(c(append(dst, '"'), v, i), '"')
	}, nil
}

// appendValue appends row i of v, or null, inside a nested value.
func appendValue(dst []byte, c cell, v *vector.Vector, i int) []byte {
	if v.IsNull(i) {
		return append(dst, "null"...)
	}
	return c(dst, v, i)
}

func (n notation) within() notation {
	n.inner = true
	return n
}

func (n notation) list(t vector.Type) (cell, error) {
	elem, err := n.cell(*t.Elem)
	if err != nil {
		return nil, err
	}
	return func(dst []byte, v *vector.Vector, i int) []byte {
		dst = append(dst, '[')
		at, end := v.Spans[i].Offset, v.Spans[i].Offset+v.Spans[i].Length
		for k := at; k < end; k++ {
			if k > at {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, elem, v.Elem, int(k))
		}
		return append(dst, ']')
	}, nil
}

// structure makes objects; of a struct whose fields have no names, a tuple, it makes arrays.
func (n notation) structure(t vector.Type) (cell, error) {
	members, err := n.columns(t.Fields)
	if err != nil {
		return nil, err
	}
	open, end := "{", byte('}')
	if tuple(t.Fields) {
		open, end = "[", ']'
	}
	for i := range members {
		if end == ']' {
			members[i].before = ","
		}
		if i == 0 {
			members[i].before = open + members[i].before[1:]
		}
	}
	if len(members) == 0 {
		return func(dst []byte, _ *vector.Vector, _ int) []byte { return append(dst, "{}"...) }, nil
	}
	return func(dst []byte, v *vector.Vector, i int) []byte {
		for k := range members {
			dst = append(dst, members[k].before...)
			dst = appendValue(dst, members[k].cell, v.Fields[k], i)
		}
		return append(dst, end)
	}, nil
}

func tuple(fields []vector.Field) bool {
	for _, f := range fields {
		if f.Name != "" {
			return false
		}
	}
	return len(fields) > 0
}

// mapping makes objects of maps whose keys are text, and arrays of {"key":…,"value":…} of the others.
func (n notation) mapping(t vector.Type) (cell, error) {
	if len(t.Elem.Fields) != 2 {
		return nil, fmt.Errorf("a map's entries have %d fields", len(t.Elem.Fields))
	}
	if t.Elem.Fields[0].Type.Kind != vector.Text {
		return n.list(t)
	}
	value, err := n.cell(t.Elem.Fields[1].Type)
	if err != nil {
		return nil, err
	}
	return func(dst []byte, v *vector.Vector, i int) []byte {
		dst = append(dst, '{')
		keys, values := v.Elem.Fields[0], v.Elem.Fields[1]
		at, end := v.Spans[i].Offset, v.Spans[i].Offset+v.Spans[i].Length
		for k := at; k < end; k++ {
			if k > at {
				dst = append(dst, ',')
			}
			dst = append(appendJSONString(dst, keys.Texts[k]), ':')
			dst = appendValue(dst, value, values, int(k))
		}
		return append(dst, '}')
	}, nil
}
