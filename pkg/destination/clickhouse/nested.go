package clickhouse

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func validJSON(text []byte) bool { return json.Valid(text) && utf8.Valid(text) }

// nested reads lists, maps and tuples, and writes all that is in them one after the other, as the server's RowBinary has it:
// of lists and maps how many first, of what may be NULL whether it is, of texts how long they are.
func (r reach) nested(t typ) ndjson.Converter {
	return func(dst, raw, text []byte, isText bool) ([]byte, bool) {
		if isText {
			raw = text
		}
		if isText && !validJSON(raw) {
			return dst, false
		}
		return r.appendValue(dst, t, raw)
	}
}

// appendValue appends a JSON value that is inside others.
func (r reach) appendValue(dst []byte, t typ, raw []byte) ([]byte, bool) {
	raw = bytes.TrimSpace(raw)
	t, nullable := t.bare()
	switch {
	case len(raw) == 0:
		return dst, false
	case string(raw) == "null":
		return append(dst, 1), nullable
	case nullable:
		dst = append(dst, 0)
	}
	switch t.name {
	case "Array":
		return r.appendList(dst, t, raw)
	case "Map":
		return r.appendMap(dst, t, raw)
	case "Tuple":
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
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	for i := 0; ok && i < len(values); i++ {
		dst, ok = r.appendValue(dst, t.args[0], values[i])
	}
	return dst, ok
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
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	for i := range values {
		from := len(dst)
		if dst, ok = r.appendValue(dst, t.args[0], keys[i]); !ok || seen[string(dst[from:])] {
			return dst, false
		}
		seen[string(dst[from:])] = true
		if dst, ok = r.appendValue(dst, t.args[1], values[i]); !ok {
			return dst, false
		}
	}
	return dst, true
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
	for i, value := range values {
		if value == nil { // missing
			dst = append(dst, zeroOf(t.args[i])...)
		} else if dst, ok = r.appendValue(dst, t.args[i], value); !ok {
			return dst, false
		}
	}
	return dst, true
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

// appendOne appends a single value, by the rules of a column of its type.
func (r reach) appendOne(dst []byte, t typ, raw []byte) ([]byte, bool) {
	isText, text := raw[0] == '"', raw
	if isText {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return dst, false
		}
		text = []byte(s)
	}
	c := r.column("v", t.text, "")
	switch c.Kind {
	case schema.Text:
		return append(binary.AppendUvarint(dst, uint64(len(text))), text...), true
	case schema.Foreign:
		convert := r.converter(t)
		if convert == nil {
			return dst, false
		}
		if t.name != "JSON" {
			return convert(dst, raw, text, isText)
		}
		text, ok := convert(nil, raw, text, isText)
		return append(binary.AppendUvarint(dst, uint64(len(text))), text...), ok
	case schema.Int:
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && c.Bits == 64 && !c.Unsigned && raw[0] != '+' {
			return binary.LittleEndian.AppendUint64(dst, uint64(n)), true
		}
	}
	c.NotNull = false
	line := append(append([]byte(`{"v":`), raw...), "}\n"...)
	var b ndjson.Batch
	err := ndjson.NewDecoder(bytes.NewReader(line), []schema.Column{c}, ndjson.Options{}).Next(&b, 1)
	if err != nil || b.Cols[0].IsNull(0) {
		return dst, false
	}
	target, out := newTarget(c), proto.Buffer{Buf: dst}
	target.put(&out, b.Cols[0], 1)
	return out.Buf, true
}

// zeroOf is the zero value of a type, as it is inside others.
func zeroOf(t typ) []byte {
	t, nullable := t.bare()
	switch {
	case nullable:
		return []byte{1}
	case t.name == "Tuple":
		var all []byte
		for _, arg := range t.args {
			all = append(all, zeroOf(arg)...)
		}
		return all
	case t.name == "JSON":
		return append([]byte{2}, "{}"...)
	case t.name == "Enum8" || t.name == "Enum16":
		return appendEnum(nil, t, zeroWord(t).number)
	}
	return make([]byte, max(widthOf(t), 1)) // of a list or a text: that it has nothing
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
