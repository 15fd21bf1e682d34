package postgrest

import (
	"net/url"
	"strconv"
	"strings"
)

// String prints s as a query string. Parse reads it as the same request, whatever form it came in: the Range header has
// become limit and offset, and what can be in quotes is. Whether a count is wanted is not in it.
func (s *Select) String() string {
	var params []string
	add := func(key, value string) { params = append(params, url.QueryEscape(key)+"="+url.QueryEscape(value)) }
	if len(s.items) > 0 {
		add("select", join(s.items, item.canonical))
	}
	for _, c := range s.where {
		add(c.param())
	}
	if len(s.order) > 0 {
		add("order", join(s.order, term.canonical))
	}
	if s.Range.Offset > 0 {
		add("offset", strconv.FormatInt(s.Range.Offset, 10))
	}
	if s.Range.Limit != NoLimit {
		add("limit", strconv.FormatInt(s.Range.Limit, 10))
	}
	return strings.Join(params, "&")
}

func join[T any](list []T, text func(T) string) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = text(v)
	}
	return strings.Join(texts, ",")
}

func (it item) canonical() string {
	if it.star {
		return "*"
	}
	text := inQuotes(it.column.name)
	if it.alias != "" {
		text = inQuotes(it.alias) + ":" + text
	}
	if it.cast != "" {
		text += "::" + string(it.cast)
	}
	return text
}

func (t term) canonical() string {
	text := inQuotes(t.column.name)
	if t.desc {
		text += ".desc"
	}
	if t.nullsFirst {
		return text + ".nullsfirst"
	}
	return text + ".nullslast"
}

func (g *group) param() (key, value string) {
	key = "and"
	if g.or {
		key = "or"
	}
	if g.not {
		key = "not." + key
	}
	return key, "(" + join(g.members, condition.canonical) + ")"
}

func (g *group) canonical() string {
	key, value := g.param()
	return key + value
}

// param leaves a single value as it is: there, quotes would be a part of it.
func (f *filter) param() (key, value string) {
	return inQuotes(f.column.name), f.operation(func(s string) string { return s })
}

func (f *filter) canonical() string { return inQuotes(f.column.name) + "." + f.operation(inQuotes) }

func (f *filter) operation(single func(string) string) string {
	text := f.op
	if f.not {
		text = "not." + text
	}
	if f.many != "" {
		return text + "(" + f.many + ").{" + join(f.values, inQuotes) + "}"
	}
	switch operators[f.op].values {
	case list:
		return text + ".(" + join(f.values, inQuotes) + ")"
	case state:
		return text + "." + f.values[0]
	}
	return text + "." + single(f.values[0])
}

// inQuotes puts a name or a value into double quotes.
func inQuotes(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
