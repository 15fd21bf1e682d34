package clickhouse

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

func validJSON(text []byte) bool { return json.Valid(text) && utf8.Valid(text) }

// nested reads lists, maps and tuples, and writes all that is in them one after the other, as the server's RowBinary has it:
// of lists and maps how many first, of what may be NULL whether it is, of texts how long they are.
func (r reach) nested(t typ, like *vector.Type) ndjson.Converter {
	in := r.inside(t, like)
	return func(dst, raw, text []byte, isText bool) ([]byte, bool) {
		if isText {
			raw = text
		}
		if isText && !validJSON(raw) {
			return dst, false
		}
		return in.append(dst, raw)
	}
}

// inside reads values of a type that are inside others. Not for concurrent use.
type inside struct {
	of       typ
	nullable bool
	args     []*inside
	places   map[string]int   // of a Tuple's members
	convert  ndjson.Converter // of a type that package ndjson does not know
	one      *ndjson.One      // of one that it knows, but for text
	target   target           // how what one has read is written
}

func (r reach) inside(t typ, like *vector.Type) *inside {
	in := &inside{}
	in.of, in.nullable = t.bare()
	for i, arg := range in.of.args {
		in.args = append(in.args, r.inside(arg, memberLike(like, in.of, i)))
	}
	switch in.of.name {
	case "Array", "Map":
		return in
	case "Tuple":
		in.places = map[string]int{}
		for i, name := range in.of.names {
			if name == "" {
				name = strconv.Itoa(i + 1)
			}
			in.places[name] = i
		}
		return in
	}
	switch c := r.column("v", in.of.text, ""); c.Kind {
	case schema.Text:
	case schema.Foreign:
		in.convert = r.converter(in.of, like)
	default:
		c.Like = like
		in.one, in.target = ndjson.NewOne(c), newTarget(c)
	}
	return in
}

// memberLike is like's type for the i-th of the types in t; nil when it has none.
func memberLike(like *vector.Type, t typ, i int) *vector.Type {
	switch {
	case like == nil:
	case t.name == "Array" && like.Kind == vector.List:
		return like.Elem
	case t.name == "Map" && like.Kind == vector.Map && i < len(like.Elem.Fields):
		return &like.Elem.Fields[i].Type
	case t.name == "Tuple" && like.Kind == vector.Struct && i < len(like.Fields) && like.Fields[i].Name == t.names[i]:
		return &like.Fields[i].Type
	}
	return nil
}

// append appends a JSON value.
func (in *inside) append(dst []byte, raw []byte) ([]byte, bool) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return dst, false
	case string(raw) == "null":
		return append(dst, 1), in.nullable
	case in.nullable:
		dst = append(dst, 0)
	}
	switch in.of.name {
	case "Array":
		return in.appendList(dst, raw)
	case "Map":
		return in.appendMap(dst, raw)
	case "Tuple":
		return in.appendTuple(dst, raw)
	}
	return in.appendOne(dst, raw)
}

// appendOne appends a single value, by the rules of a column of its type.
func (in *inside) appendOne(dst []byte, raw []byte) ([]byte, bool) {
	if in.one != nil {
		v, ok := in.one.Read(raw)
		if !ok {
			return dst, false
		}
		out := proto.Buffer{Buf: dst}
		in.target.put(&out, v, 1)
		return out.Buf, true
	}
	isText, text := raw[0] == '"', raw
	if isText {
		text = []byte(ndjson.Text(raw[1 : len(raw)-1]))
	}
	switch {
	case in.of.name == "String":
		return append(binary.AppendUvarint(dst, uint64(len(text))), text...), true
	case in.convert == nil:
		return dst, false
	case in.of.name != "JSON":
		return in.convert(dst, raw, text, isText)
	}
	text, ok := in.convert(nil, raw, text, isText)
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...), ok
}

// split gives an array's elements, or the names and values of an object's members, of JSON that is known to be some.
func split(raw []byte) (names []string, values [][]byte) {
	object := raw[0] == '{'
	for i := 1; i < len(raw)-1; {
		from := i
		end := valueEnd(raw, i)
		value := bytes.TrimSpace(raw[from:end])
		if len(value) == 0 {
			break
		}
		if i = end + 1; object && end < len(raw) && raw[end] == ':' {
			names = append(names, ndjson.Text(value[1:len(value)-1]))
			continue
		}
		values = append(values, value)
	}
	return names, values
}

// valueEnd gives the place of the ',', ':' or bracket that ends the value at i.
func valueEnd(raw []byte, i int) int {
	depth := 0
	for ; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; i < len(raw) && raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

func (in *inside) appendList(dst []byte, raw []byte) ([]byte, bool) {
	if raw[0] != '[' {
		return dst, false
	}
	_, values := split(raw)
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	for _, value := range values {
		var ok bool
		if dst, ok = in.args[0].append(dst, value); !ok {
			return dst, false
		}
	}
	return dst, true
}

// appendMap takes an object, or a list of {key, value}, as maps are written whose keys are no texts.
func (in *inside) appendMap(dst []byte, raw []byte) ([]byte, bool) {
	if raw[0] != '{' && raw[0] != '[' {
		return dst, false
	}
	names, values := split(raw)
	seen := map[string]bool{}
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	for i, value := range values {
		var key []byte
		ok := true
		if raw[0] == '{' {
			key = jsonText(names[i])
		} else if key, value, ok = pair(value); !ok {
			return dst, false
		}
		from := len(dst)
		if dst, ok = in.args[0].append(dst, key); !ok || seen[string(dst[from:])] {
			return dst, false
		}
		seen[string(dst[from:])] = true
		if dst, ok = in.args[1].append(dst, value); !ok {
			return dst, false
		}
	}
	return dst, true
}

func pair(raw []byte) (key, value []byte, ok bool) {
	if raw[0] != '{' {
		return nil, nil, false
	}
	names, values := split(raw)
	if len(values) != 2 || names[0] != "key" || names[1] != "value" {
		return nil, nil, false
	}
	return values[0], values[1], true
}

// appendTuple takes an array as long as the tuple, or an object that has no other members than the tuple.
func (in *inside) appendTuple(dst []byte, raw []byte) ([]byte, bool) {
	if raw[0] != '{' && raw[0] != '[' {
		return dst, false
	}
	names, values := split(raw)
	if raw[0] == '{' {
		var ok bool
		if values, ok = in.inOrder(names, values); !ok {
			return dst, false
		}
	} else if len(values) != len(in.args) {
		return dst, false
	}
	for i, value := range values {
		ok := true
		if value == nil { // missing
			dst = append(dst, zeroOf(in.of.args[i])...)
		} else if dst, ok = in.args[i].append(dst, value); !ok {
			return dst, false
		}
	}
	return dst, true
}

func (in *inside) inOrder(names []string, values [][]byte) ([][]byte, bool) {
	list := make([][]byte, len(in.args))
	for i, name := range names {
		place, ok := in.places[name]
		if !ok || list[place] != nil {
			return nil, false
		}
		list[place] = values[i]
	}
	return list, true
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
