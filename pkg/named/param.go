package named

import (
	"encoding/json"
	"regexp"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Param is a parameter of a named query.
type Param struct {
	Name        string          `json:"name"`
	Type        Type            `json:"type"`
	Description string          `json:"description,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"` // without one the parameter must be given
}

// Type is what a parameter's values are.
type Type string

// The types.
const (
	Text      Type = "text"
	Int       Type = "int"
	Float     Type = "float"
	Bool      Type = "bool"
	Date      Type = "date"      // YYYY-MM-DD
	Timestamp Type = "timestamp" // RFC 3339, with or without a zone
)

// types are all types with what a value of each must be.
var types = map[Type]string{
	Text: "text", Int: "a whole number", Float: "a number", Bool: "true or false", Date: "a date such as 2024-02-29",
	Timestamp: "a timestamp such as 2024-02-29T12:00:00Z",
}

// paramText is what the name of a parameter may be: SQL and a URL have it as it is.
var paramText = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// taken are the names that URL parameters have already.
var taken = map[string]bool{"format": true, "api_key": true, "version": true}

// check says what is wrong with p. A type that is not named is text.
func (p *Param) check() (err error) {
	if p.Type == "" {
		p.Type = Text
	}
	switch {
	case !paramText.MatchString(p.Name) || taken[p.Name]:
		return fault.New(fault.Invalid, "bad_param",
			"parameter %.80q: its name must be 1 to 64 letters, digits or '_', and none of format, version, api_key", p.Name)
	case types[p.Type] == "":
		return fault.New(fault.Invalid, "bad_param", "parameter %s: %.40q is not one of text, int, float, bool, date, timestamp", p.Name, p.Type)
	case p.Default != nil:
		p.Default, err = p.checked(p.Default)
	}
	return err
}

// parse gives the value that text stands for, as JSON.
func (p Param) parse(text string) (json.RawMessage, error) {
	ok := true
	value := query.Text(text)
	switch p.Type {
	case Int:
		n, err := strconv.ParseInt(text, 10, 64)
		ok, value = err == nil, strconv.AppendInt(nil, n, 10)
	case Float:
		f, err := strconv.ParseFloat(text, 64)
		value, ok = json.RawMessage(text), err == nil && json.Valid([]byte(text)) && f-f == 0
	case Bool:
		value, ok = json.RawMessage(text), text == "true" || text == "false"
	case Date:
		_, ok = schema.ParseDate([]byte(text))
	case Timestamp:
		_, ok = schema.ParseTimestamp([]byte(text))
	}
	if !ok {
		return nil, p.wrong(text)
	}
	return value, nil
}

func (p Param) wrong(text string) error {
	return fault.New(fault.Invalid, "bad_param", "parameter %s: %.80q is not %s", p.Name, text, types[p.Type])
}

// checked gives a JSON value in the form that is bound, if it is one of p's; null always is.
func (p Param) checked(raw json.RawMessage) (json.RawMessage, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, p.wrong(string(raw))
	}
	switch v := value.(type) {
	case nil:
		return raw, nil
	case string:
		if p.Type == Int || p.Type == Float || p.Type == Bool {
			return nil, p.wrong(string(raw))
		}
		return p.parse(v)
	case bool, float64:
		if p.Type == Text || p.Type == Date || p.Type == Timestamp {
			return nil, p.wrong(string(raw))
		}
		return p.parse(string(raw))
	}
	return nil, p.wrong(string(raw))
}
