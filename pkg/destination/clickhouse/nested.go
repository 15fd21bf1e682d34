package clickhouse

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func validJSON(text []byte) bool { return json.Valid(text) && utf8.Valid(text) }

// nested reads lists, maps and tuples, and writes them as the text from which the server makes them: [1,2], {'a':1}, ('a',1).
func (r reach) nested(t typ) ndjson.Converter {
	return func(dst, raw, text []byte, isText bool) ([]byte, bool) {
		if isText {
			raw = text
		}
		if isText && !validJSON(raw) {
			return dst, false
		}
		return r.appendText(dst, t, raw)
	}
}

// appendText appends the text of a JSON value in a type, as it is inside other values.
func (r reach) appendText(dst []byte, t typ, raw []byte) ([]byte, bool) {
	raw = bytes.TrimSpace(raw)
	t, nullable := t.bare()
	switch {
	case len(raw) == 0:
		return dst, false
	case string(raw) == "null":
		return append(dst, "NULL"...), nullable
	case t.name == "Array":
		return r.appendList(dst, t, raw)
	case t.name == "Map":
		return r.appendMap(dst, t, raw)
	case t.name == "Tuple":
		return r.appendTuple(dst, t, raw)
	}
	return r.appendOne(dst, t, raw)
}

// members reads an array's elements, or an object's members.
func members(raw []byte) (names []string, values []json.RawMessage, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	open, err := d.Token()
	if err != nil {
		return nil, nil, false
	}
	object := open == json.Delim('{')
	for d.More() {
		if object {
			name, err := d.Token()
			if err != nil {
				return nil, nil, false
			}
			text, _ := name.(string)
			names = append(names, text)
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, nil, false
		}
		values = append(values, value)
	}
	_, err = d.Token()
	return names, values, err == nil || err == io.EOF
}

func (r reach) appendList(dst []byte, t typ, raw []byte) ([]byte, bool) {
	if raw[0] != '[' {
		return dst, false
	}
	_, values, ok := members(raw)
	dst = append(dst, '[')
	for i := 0; ok && i < len(values); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst, ok = r.appendText(dst, t.args[0], values[i])
	}
	return append(dst, ']'), ok
}

// appendMap takes an object, or a list of {key, value}, as maps are written whose keys are no texts.
func (r reach) appendMap(dst []byte, t typ, raw []byte) ([]byte, bool) {
	names, values, ok := members(raw)
	if !ok || raw[0] != '{' && raw[0] != '[' {
		return dst, false
	}
	keys := make([]json.RawMessage, len(values))
	for i := range values {
		if raw[0] == '{' {
			keys[i] = json.RawMessage(jsonText(names[i]))
			continue
		}
		if keys[i], values[i], ok = pair(values[i]); !ok {
			return dst, false
		}
	}
	seen := map[string]bool{}
	dst = append(dst, '{')
	for i := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		from := len(dst)
		if dst, ok = r.appendText(dst, t.args[0], keys[i]); !ok || seen[string(dst[from:])] {
			return dst, false
		}
		seen[string(dst[from:])] = true
		if dst, ok = r.appendText(append(dst, ':'), t.args[1], values[i]); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}

func pair(raw json.RawMessage) (key, value json.RawMessage, ok bool) {
	names, values, ok := members(raw)
	if !ok || len(values) != 2 || len(names) != 2 || names[0] != "key" || names[1] != "value" {
		return nil, nil, false
	}
	return values[0], values[1], true
}

// appendTuple takes an array as long as the tuple, or an object that has no other members than the tuple.
func (r reach) appendTuple(dst []byte, t typ, raw []byte) ([]byte, bool) {
	names, values, ok := members(raw)
	if !ok || raw[0] != '{' && (raw[0] != '[' || len(values) != len(t.args)) {
		return dst, false
	}
	if raw[0] == '{' {
		if values, ok = inOrder(t, names, values); !ok {
			return dst, false
		}
	}
	dst = append(dst, '(')
	for i, value := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if value == nil { // missing
			if _, nullable := t.args[i].bare(); nullable {
				dst = append(dst, "NULL"...)
			} else {
				dst = append(dst, zeroText(t.args[i])...)
			}
		} else if dst, ok = r.appendText(dst, t.args[i], value); !ok {
			return dst, false
		}
	}
	if len(values) == 1 {
		dst = append(dst, ',')
	}
	return append(dst, ')'), true
}

func inOrder(t typ, names []string, values []json.RawMessage) ([]json.RawMessage, bool) {
	list := make([]json.RawMessage, len(t.args))
	at := map[string]int{}
	for i, name := range t.names {
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		at[name] = i
	}
	for i, name := range names {
		place, ok := at[name]
		if !ok || list[place] != nil {
			return nil, false
		}
		list[place] = values[i]
	}
	return list, true
}

// appendOne appends a single value. By package ndjson's own rules its column would hold it, or it is not inside another.
func (r reach) appendOne(dst []byte, t typ, raw []byte) ([]byte, bool) {
	isText := raw[0] == '"'
	text := raw
	if isText {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return dst, false
		}
		text = []byte(s)
	}
	if t.name == "String" {
		return appendLiteral(dst, text), true
	}
	c := r.column("", t.text, "")
	if c.Kind == schema.Foreign {
		check := r.converter(t)
		if check == nil {
			return dst, false
		}
		if _, ok := check(nil, raw, text, isText); !ok {
			return dst, false
		}
	} else if !holds(c, raw) {
		return dst, false
	}
	switch c.Kind {
	case schema.Bool, schema.Int, schema.Float:
		return append(dst, plainNumber(c, text)...), true
	case schema.Timestamp:
		return r.appendTime(dst, text, 6)
	}
	switch t.name {
	case "DateTime":
		return r.appendTime(dst, text, 0)
	case "DateTime64":
		return r.appendTime(dst, text, t.number(0, 3))
	case "Date", "Date32":
		return appendLiteral(dst, text), len(text) == len("2006-01-02")
	}
	if _, scale, ok := t.decimal(); ok {
		n, _ := scaled(raw, text, isText, scale, 80)
		return printWide(true, scale)(dst, appendWide(nil, n, 32)), true
	}
	if _, ok := plainTypes[t.name]; ok && (len(t.name) > 3 && (t.name[:3] == "Int" || t.name[:4] == "UInt")) {
		n, _ := scaled(raw, text, isText, 0, 80)
		return n.Append(dst, 10), true
	}
	return appendLiteral(dst, text), true
}

// plainNumber writes a number in the form that the server reads in every type that holds it.
func plainNumber(c schema.Column, text []byte) []byte {
	switch string(text) {
	case "true":
		text = []byte("1")
	case "false":
		text = []byte("0")
	}
	if c.Kind == schema.Int {
		if n, ok := scaled(text, text, true, 0, 80); ok {
			return n.Append(nil, 10)
		}
	}
	return text
}

// holds reports whether a column of package ndjson's own kinds takes a value.
func holds(c schema.Column, raw []byte) bool {
	line := append(append([]byte(`{"v":`), raw...), "}\n"...)
	c.Name, c.NotNull, c.Default = "v", false, false
	var b ndjson.Batch
	return ndjson.NewDecoder(bytes.NewReader(line), []schema.Column{c}, ndjson.Options{}).Next(&b, 1) == nil && b.Rows == 1 && !b.Cols[0].IsNull(0)
}

// appendTime appends a timestamp as the number of its ticks: that has no zone to be mistaken.
func (r reach) appendTime(dst []byte, text []byte, digits int) ([]byte, bool) {
	ticks, ok := r.ticks(text, digits)
	return strconv.AppendInt(dst, ticks, 10), ok
}

// appendLiteral appends a text in single quotes.
func appendLiteral(dst, text []byte) []byte {
	dst = append(dst, '\'')
	for _, c := range text {
		if c == '\'' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '\'')
}

// zeroText is the text of a type's zero value.
func zeroText(t typ) string {
	t, nullable := t.bare()
	if nullable {
		return "NULL"
	}
	switch t.name {
	case "Array":
		return "[]"
	case "Map":
		return "{}"
	case "Tuple":
		text := "("
		for _, arg := range t.args {
			text += zeroText(arg) + ","
		}
		if len(t.args) > 1 {
			text = text[:len(text)-1]
		}
		return text + ")"
	case "JSON":
		return "{}"
	case "String", "FixedString":
		return "''"
	case "UUID":
		return "'00000000-0000-0000-0000-000000000000'"
	case "IPv4":
		return "'0.0.0.0'"
	case "IPv6":
		return "'::'"
	case "Date", "Date32":
		return "'1970-01-01'"
	case "Enum8", "Enum16":
		return literal(zeroWord(t).text)
	}
	return "0"
}

// zeroWord is the word of an Enum that a column has without a value: the one with the least number.
func zeroWord(t typ) (least word) {
	for i, w := range t.words() {
		if i == 0 || w.number < least.number {
			least = w
		}
	}
	return least
}

// jsonText is s as JSON text. Characters that only matter inside HTML stay as they are.
func jsonText(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string is never refused
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
