package result

import (
	"fmt"
	"io"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// NewCSV encodes an answer as RFC 4180 says: a header always, lines that end with CR LF, quotes where they are needed.
// NULL is an empty field and so are NaN and the infinities, which no number is; an empty text is "". Nested values are
// JSON text.
func NewCSV(w io.Writer) Writer {
	return &encoder{w: w, plan: csvPlan}
}

func csvPlan(cols []vector.Field) (frame, []column, error) {
	out := make([]column, len(cols))
	var header []byte
	for i, name := range unique(cols) {
		c, err := csvCell(cols[i].Type)
		if err != nil {
			return frame{}, nil, fmt.Errorf("encode column %q: %w", cols[i].Name, err)
		}
		out[i].cell = c
		if i > 0 {
			out[i].before = ","
		}
		header = appendCSVField(append(header, out[i].before...), name)
	}
	head := string(append(header, "\r\n"...))
	return frame{none: head, first: head, close: "\r\n"}, out, nil
}

// csvCell gives the function for values of type t in CSV.
func csvCell(t vector.Type) (cell, error) {
	switch t.Kind {
	case vector.Text:
		return func(dst []byte, v *vector.Vector, i int) []byte { return appendCSVField(dst, v.Texts[i]) }, nil
	case vector.Float:
		return floatCell(t, notNumbers{}), nil
	case vector.Blob:
		return csvBlob, nil
	case vector.JSON, vector.List, vector.Struct, vector.Map:
		return csvNested(t)
	}
	if c := numberCell(t); c != nil {
		return c, nil
	}
	if c := wordCell(t); c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("there is no text for values of kind %d", t.Kind)
}

// csvBlob keeps an empty blob apart from NULL.
func csvBlob(dst []byte, v *vector.Vector, i int) []byte {
	if v.Texts[i] == "" {
		return append(dst, `""`...)
	}
	return appendBase64(dst, v.Texts[i])
}

// csvNested appends the value's JSON text as one field.
func csvNested(t vector.Type) (cell, error) {
	inner, err := notation{}.cell(t)
	if err != nil {
		return nil, err
	}
	var text []byte
	return func(dst []byte, v *vector.Vector, i int) []byte {
		text = inner(text[:0], v, i)
		dst = appendCSVField(dst, stringOf(text))
		if cap(text) > keepCap {
			text = nil
		}
		return dst
	}, nil
}

// appendCSVField appends s as one field, in quotes when it is empty or has a character that would end it.
func appendCSVField(dst []byte, s string) []byte {
	if s != "" && !needsQuotes(s) {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for {
		at := strings.IndexByte(s, '"')
		if at < 0 {
			break
		}
		dst = append(append(dst, s[:at+1]...), '"')
		s = s[at+1:]
	}
	return append(append(dst, s...), '"')
}

// needsQuotes looks at eight bytes at a time for a quote, a comma, CR or LF.
func needsQuotes(s string) bool {
	for len(s) >= 8 {
		w := word(s)
		if hasByte(w, '"')|hasByte(w, ',')|hasByte(w, '\n')|hasByte(w, '\r') != 0 {
			return true
		}
		s = s[8:]
	}
	for i := range len(s) {
		switch s[i] {
		case '"', ',', '\n', '\r':
			return true
		}
	}
	return false
}
