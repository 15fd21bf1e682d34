package postgrest

import "strings"

// operator says what an operator takes.
type operator struct {
	values uint8
	many   bool // may have (any) or (all)
	text   bool // its column and its value are texts
	symbol string
}

const (
	one   = iota // a value
	list         // values in parentheses
	state        // one of the words of is
)

var operators = map[string]operator{
	"eq":         {values: one, many: true, symbol: " = "},
	"neq":        {values: one, symbol: " <> "},
	"gt":         {values: one, many: true, symbol: " > "},
	"gte":        {values: one, many: true, symbol: " >= "},
	"lt":         {values: one, many: true, symbol: " < "},
	"lte":        {values: one, many: true, symbol: " <= "},
	"like":       {values: one, many: true, text: true},
	"ilike":      {values: one, many: true, text: true},
	"match":      {values: one, many: true, text: true},
	"imatch":     {values: one, many: true, text: true},
	"isdistinct": {values: one},
	"in":         {values: list},
	"is":         {values: state},
}

const operatorNames = "eq, neq, gt, gte, lt, lte, like, ilike, match, imatch, in, is, isdistinct"

// filter is a condition on one column.
type filter struct {
	column column
	not    bool
	op     string // a key of operators
	many   string // "any", "all" or empty
	values []string
	at     place // of the operator
	first  place // of the values
}

// operation reads what follows a filter's column: an operator and its values. value reads the one value of an operator
// that has no list: where that ends depends on what is around the filter.
func (p *parser) operation(f *filter, value func() string) error {
	if p.left.filters--; p.left.filters < 0 {
		return p.fail(p.at, "too_many_filters", "a request may have %d filters", maxFilters)
	}
	f.not = p.take("not.")
	start := p.at
	f.at = p.place(start)
	f.op = p.until(".(,)")
	op, ok := operators[f.op]
	if !ok {
		return p.fail(start, "unknown_operator", "%s is not an operator: a filter has one of %s, then a dot and a value", show(f.op), operatorNames)
	}
	if err := p.modifier(f, op); err != nil {
		return err
	}
	if !p.take(".") {
		return p.expected("a dot and a value")
	}
	f.first = p.place(p.at)
	return p.operand(f, op, value)
}

// modifier reads (any) or (all).
func (p *parser) modifier(f *filter, op operator) error {
	start := p.at
	if p.peek() != '(' {
		return nil
	}
	for _, many := range [...]string{"any", "all"} {
		if p.take("(" + many + ")") {
			f.many = many
		}
	}
	switch {
	case f.many == "":
		return p.fail(start, p.code, "expected (any), (all) or a dot after the operator")
	case !op.many:
		return p.fail(start, p.code, "%s has no modifiers: only eq, gt, gte, lt, lte, like, ilike, match and imatch have", f.op)
	}
	return nil
}

func (p *parser) operand(f *filter, op operator, value func() string) (err error) {
	start := p.at
	switch {
	case op.values == list:
		f.values, err = p.list()
	case op.values == state:
		f.values, err = p.state()
	case f.many != "":
		f.values, err = p.array()
	default:
		f.values = []string{value()}
	}
	if err != nil {
		return err
	}
	if p.left.values -= len(f.values); p.left.values < 0 {
		return p.fail(start, "too_many_values", "the filters of a request may have %d values", maxValues)
	}
	return nil
}

// state reads what is compares with. Its letters may be of either case.
func (p *parser) state() ([]string, error) {
	start := p.at
	switch word := strings.ToLower(p.until(",)")); word {
	case "null", "not_null", "true", "false", "unknown":
		return []string{word}, nil
	}
	return nil, p.fail(start, p.code, "is takes null, not_null, true, false or unknown")
}

// list reads (value,…). An empty pair of parentheses has no values.
func (p *parser) list() (values []string, err error) {
	p.skip()
	if !p.take("(") {
		return nil, p.expected("a list in parentheses")
	}
	p.skip()
	for p.peek() != ')' || values != nil {
		values = append(values, p.element())
		if !p.take(",") {
			break
		}
	}
	if !p.take(")") {
		return nil, p.expected("',' or ')'")
	}
	p.skip()
	return values, nil
}

// array reads {value,…} as PostgreSQL reads an array's text.
func (p *parser) array() (values []string, err error) {
	if !p.take("{") {
		return nil, p.expected("a list in braces")
	}
	p.skip()
	for p.peek() != '}' || values != nil {
		v, err := p.member()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if !p.take(",") {
			break
		}
	}
	if !p.take("}") {
		return nil, p.expected("',' or '}'")
	}
	return values, nil
}

// member reads one value of an array: in double quotes, or without the white space around it.
func (p *parser) member() (string, error) {
	p.skip()
	start := p.at
	if p.peek() == '"' {
		text, ok := p.quoted()
		if !ok {
			return "", p.fail(start, p.code, "the double quote is never closed")
		}
		p.skip()
		return text, nil
	}
	text := p.bare()
	switch {
	case p.at == start:
		return "", p.expected(`a value, which is "" if it is empty`)
	case strings.EqualFold(strings.TrimRight(p.text[start:p.at], " \t"), "null"):
		return "", p.fail(start, p.code, `a list cannot have NULL; the text is "NULL" in double quotes`)
	}
	return text, nil
}

// bare reads a value of an array that is not in quotes. White space at its end belongs to it only behind a backslash.
func (p *parser) bare() string {
	var b strings.Builder
	keep := 0 // how much of b there is without white space at the end
	for p.at < len(p.text) && strings.IndexByte(`,{}"`, p.text[p.at]) < 0 {
		escaped := p.text[p.at] == '\\' && p.at+1 < len(p.text)
		if escaped {
			p.at++
		}
		c := p.text[p.at]
		p.at++
		b.WriteByte(c)
		if escaped || c != ' ' && c != '\t' {
			keep = b.Len()
		}
	}
	return b.String()[:keep]
}
