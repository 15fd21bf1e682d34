package postgrest

import "strings"

// item is one entry of select.
type item struct {
	star   bool // all columns
	column column
	alias  string // empty is the column's name
	cast   Type   // empty is the column's type
}

// items reads select.
func (p *parser) items() (items []item, err error) {
	for {
		it, err := p.item()
		if err != nil {
			return nil, err
		}
		if items = append(items, it); len(items) > maxItems {
			return nil, p.fail(p.at, p.code, "select may have %d columns", maxItems)
		}
		p.skip()
		if !p.take(",") {
			return items, p.end("',' or ")
		}
	}
}

func (p *parser) item() (it item, err error) {
	p.skip()
	if p.take("*") {
		return item{star: true}, nil
	}
	if strings.HasPrefix(p.text[p.at:], "..") {
		return it, p.fail(p.at, "not_supported", "embedded tables are not supported")
	}
	if it.column, err = p.column(); err != nil {
		return it, err
	}
	if p.peek() == ':' && !strings.HasPrefix(p.text[p.at:], "::") {
		p.at++
		it.alias = it.column.name
		if it.column, err = p.column(); err != nil {
			return it, err
		}
	}
	if p.peek() == '.' {
		return it, p.fail(p.at, "not_supported", "aggregate functions are not supported; a column's name that has a dot needs double quotes")
	}
	if p.take("::") {
		it.cast, err = p.cast()
	}
	return it, err
}

// cast reads a type's name.
func (p *parser) cast() (Type, error) {
	start := p.at
	name := strings.ToLower(strings.Trim(p.until(",:."), " \t"))
	t, ok := types[name]
	if !ok {
		return "", p.fail(start, p.code, "%s is not a type to cast to: there are %s", show(name), typeNames)
	}
	return t, nil
}

// term is one entry of order.
type term struct {
	column     column
	desc       bool
	nullsFirst bool
}

// terms reads order.
func (p *parser) terms() (terms []term, err error) {
	for {
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		if terms = append(terms, t); len(terms) > maxTerms {
			return nil, p.fail(p.at, p.code, "order may have %d columns", maxTerms)
		}
		p.skip()
		if !p.take(",") {
			return terms, p.end("',' or ")
		}
	}
}

func (p *parser) term() (t term, err error) {
	if t.column, err = p.column(); err != nil {
		return t, err
	}
	direction, nulls := p.option("asc", "desc"), p.option("nullsfirst", "nullslast")
	if p.peek() == '.' {
		return t, p.fail(p.at+1, p.code, "expected asc or desc, then nullsfirst or nullslast")
	}
	t.desc = direction == "desc"
	t.nullsFirst = nulls == "nullsfirst" || nulls == "" && t.desc // as in PostgreSQL, where NULL is the largest value
	return t, nil
}

// option reads a dot and one of the words, if they are next.
func (p *parser) option(words ...string) string {
	start := p.at
	if p.take(".") {
		word := p.until("., \t")
		for _, w := range words {
			if word == w {
				return w
			}
		}
	}
	p.at = start
	return ""
}
