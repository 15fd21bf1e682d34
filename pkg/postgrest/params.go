package postgrest

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// param is one parameter of the query string.
type param struct{ key, value string }

// split takes the query string apart. url.ParseQuery would lose the order of different parameters, which the conditions
// and the numbers of their values follow, and refuse ';', which is an ordinary character of a value here.
func split(query string) ([]param, error) {
	if len(query) > maxLength {
		return nil, fault.New(fault.Invalid, "query_too_long", "a query string may have %d bytes, this has %d", maxLength, len(query))
	}
	var params []param
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		p, err := unescape(key, value)
		if err != nil {
			return nil, err
		}
		params = append(params, p)
	}
	return params, nil
}

func unescape(key, value string) (param, error) {
	k, err := url.QueryUnescape(key)
	if err != nil {
		return param{}, fault.New(fault.Invalid, "bad_query", "the parameter name %.80q: %v", key, err)
	}
	v, err := url.QueryUnescape(value)
	if err != nil {
		return param{}, fault.New(fault.Invalid, "bad_query", "parameter %.80q: %v", k, err)
	}
	for _, s := range [...]string{k, v} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) { // no database keeps either
			return param{}, fault.New(fault.Invalid, "bad_query", "parameter %.80q: must be UTF-8 without NUL", k)
		}
	}
	return param{k, v}, nil
}

// ignored are parameters that mean something elsewhere: to PostgREST's writes, or to Scratch Data's own API. A column of
// such a name is reached in double quotes.
var ignored = map[string]bool{
	"columns": true, "on_conflict": true, "api_key": true, "apikey": true, "format": true, "table": true,
}

// builder collects what the parameters say.
type builder struct {
	s    Select
	seen map[string]string // the parameters that may be given once
	left allowance
}

// allowance is what the conditions of a request may still have.
type allowance struct{ filters, values int }

func (b *builder) add(p param) (err error) {
	switch p.key {
	case "select", "order", "limit", "offset":
		if _, twice := b.seen[p.key]; twice {
			return fault.New(fault.Invalid, "bad_query", "parameter %q is given twice", p.key)
		}
		b.seen[p.key] = p.value
	}
	switch p.key {
	case "select":
		b.s.items, err = b.parser(p, "bad_select").items()
	case "order":
		b.s.order, err = b.parser(p, "bad_order").terms()
	case "and", "or", "not.and", "not.or":
		err = b.group(p)
	case "limit", "offset": // read with the Range header, when all is known
	default:
		if !ignored[p.key] && !strings.HasPrefix(p.key, "param.") {
			err = b.filter(p)
		}
	}
	return err
}

func (b *builder) parser(p param, code string) *parser {
	return &parser{where: "parameter " + show(p.key), text: p.value, code: code, left: &b.left}
}

// group reads a parameter and=(…), or=(…), not.and=(…) or not.or=(…).
func (b *builder) group(p param) error {
	op, not := strings.CutPrefix(p.key, "not.")
	g := &group{not: not, or: op == "or"}
	in := b.parser(p, "bad_filter")
	if err := in.members(g, 1); err != nil {
		return err
	}
	b.s.where = append(b.s.where, g)
	return in.end("")
}

// filter reads a parameter column=operator.value.
func (b *builder) filter(p param) error {
	key := &parser{where: "the parameter name " + show(p.key), text: p.key, code: "bad_filter", left: &b.left}
	col, err := key.column()
	if err != nil {
		return err
	}
	if key.peek() == '.' {
		return key.fail(key.at, "not_supported", "filters on embedded tables are not supported; a column's name that has a dot needs double quotes")
	}
	if err := key.end(""); err != nil {
		return err
	}
	in := b.parser(p, "bad_filter")
	f := &filter{column: col}
	if err := in.operation(f, in.rest); err != nil {
		return err
	}
	b.s.where = append(b.s.where, f)
	return in.end("")
}
