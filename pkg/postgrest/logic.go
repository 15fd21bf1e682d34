package postgrest

import "strings"

// condition is a *filter or a *group.
type condition interface {
	// sql writes the condition.
	sql(w *writer) (string, error)
	// canonical prints the condition as the member of a group.
	canonical() string
	// param prints the condition as a parameter of its own.
	param() (key, value string)
}

// group is conditions of which all must hold, or one.
type group struct {
	not, or bool
	members []condition
}

// members reads "(condition,…)". depth is how many groups this one is in, itself among them.
func (p *parser) members(g *group, depth int) error {
	p.skip()
	if depth > maxDepth {
		return p.fail(p.at, "too_deep", "groups may be in each other %d deep", maxDepth)
	}
	if !p.take("(") {
		return p.expected("conditions in parentheses")
	}
	for {
		c, err := p.condition(depth)
		if err != nil {
			return err
		}
		g.members = append(g.members, c)
		p.skip()
		if !p.take(",") {
			break
		}
	}
	if !p.take(")") {
		return p.expected("',' or ')'")
	}
	p.skip()
	return nil
}

// condition reads column.operator.value or a group.
func (p *parser) condition(depth int) (condition, error) {
	p.skip()
	if g := p.head(); g != nil {
		return g, p.members(g, depth+1)
	}
	at := p.place(p.at)
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(p.text[p.at:], "->") {
		return nil, p.plain()
	}
	if !p.take(".") {
		return nil, p.expected("a dot and an operator after the column's name")
	}
	f := &filter{column: column{name, at}}
	return f, p.operation(f, p.single)
}

// head reads what a group begins with, up to its parenthesis. Columns may be called and, or and not; what comes next
// tells them from groups.
func (p *parser) head() *group {
	rest, not := strings.CutPrefix(p.text[p.at:], "not.")
	for _, op := range [...]string{"and", "or"} {
		if after, ok := strings.CutPrefix(rest, op); ok {
			if after = strings.TrimLeft(after, " \t"); strings.HasPrefix(after, "(") {
				p.at = len(p.text) - len(after)
				return &group{not: not, or: op == "or"}
			}
		}
	}
	return nil
}

// single reads the one value of a filter in a group. An array may have commas without quotes around all of it.
func (p *parser) single() string {
	if p.peek() == '{' {
		inner := p.text[p.at+1:]
		if n := strings.IndexAny(inner, "{}"); n >= 0 && inner[n] == '}' {
			start := p.at
			p.at += n + len("{}")
			return p.text[start:p.at]
		}
	}
	return p.element()
}
