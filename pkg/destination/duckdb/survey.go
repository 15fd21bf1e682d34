package duckdb

import "strings"

// query gives the extent of a SELECT, a set operation, or what else gives rows.
func (s *surveyor) query(node any, sc *scope) extent {
	n, ok := node.(map[string]any)
	if !ok {
		return extent{}
	}
	sc, defined := s.define(n, sc)
	var e extent
	switch n["type"] {
	case "SELECT_NODE":
		e = s.selection(n, sc)
	case "RECURSIVE_CTE_NODE":
		left := s.query(n["left"], sc)
		inner := &scope{sc, fold(text(n, "cte_name")), &cte{is: extent{width: left.width, joined: 1}}}
		e = left.with(s.query(n["right"], inner))
		e.width, e.joined = left.width, 1
	default: // set operations
		e = s.query(n["left"], sc).with(s.query(n["right"], sc))
		e.width, e.joined = e.width/2, 1
		for _, child := range list(n["children"]) {
			c := s.query(child, sc)
			e.columns, e.parts, e.width = e.columns+c.columns, e.parts+c.parts, max(e.width, c.width)
		}
	}
	e.parts++
	_, rest := s.expressions(n["modifiers"], sc)
	e.columns, e.parts = e.columns+rest.columns+defined.columns, e.parts+rest.parts+defined.parts
	return e
}

// define gives the scope inside of n, which may define CTEs, and their extent. Each knows those before it.
func (s *surveyor) define(n map[string]any, sc *scope) (*scope, extent) {
	var all extent
	defined, _ := n["cte_map"].(map[string]any)
	for _, entry := range list(defined["map"]) {
		entry, _ := entry.(map[string]any)
		value, _ := entry["value"].(map[string]any)
		query, _ := value["query"].(map[string]any)
		c := &cte{is: s.query(query["node"], sc), inlined: s.inlined}
		all = all.with(c.is)
		sc = &scope{sc, fold(text(entry, "key")), c}
	}
	return sc, all
}

// selection gives the extent of a SELECT.
func (s *surveyor) selection(n map[string]any, sc *scope) extent {
	from := s.relation(n["from_table"], sc)
	s.joined = max(s.joined, from.joined)
	e := extent{columns: from.columns, parts: from.parts, joined: from.joined}
	e.width = starred(list(n["select_list"])) * from.width
	e.columns += e.width
	for _, item := range list(n["select_list"]) {
		stars, inner := s.expressions(item, sc)
		switch {
		case nameOf(item) != "": // as starred tells
		case stars == 0:
			e.width, e.columns = e.width+1, e.columns+1
		default:
			e.width, e.columns = e.width+max(1, from.width), e.columns+stars*max(1, from.width)
		}
		e.columns, e.parts = e.columns+inner.columns, e.parts+inner.parts
	}
	for key, child := range n {
		if key != "from_table" && key != "select_list" && key != "cte_map" && key != "modifiers" {
			stars, inner := s.expressions(child, sc)
			e.columns += stars*from.width + inner.columns
			e.parts += inner.parts
		}
	}
	if n["group_expressions"] != nil || n["modifiers"] != nil || n["qualify"] != nil {
		e.joined = 1 // what is in it is ordered by itself
	}
	return e
}

// nameOf gives the name before the star of an item like t.*, else nothing.
func nameOf(item any) string {
	n, _ := item.(map[string]any)
	if n["type"] != "STAR" || n["columns"] == true {
		return ""
	}
	return text(n, "relation_name")
}

// starred tells how often items like t.* give all columns of FROM at most: those of different relations give them once.
func starred(items []any) float64 {
	times := make(map[string]float64)
	var most float64
	for _, item := range items {
		if name := fold(nameOf(item)); name != "" {
			times[name]++
			most = max(most, times[name])
		}
	}
	return most
}

// relation gives the extent of what stands behind FROM.
func (s *surveyor) relation(node any, sc *scope) extent {
	n, _ := node.(map[string]any)
	switch n["type"] {
	case nil, "EMPTY":
		return extent{}
	case "BASE_TABLE":
		name := text(n, "table_name")
		if c := sc.find(name); c != nil && text(n, "schema_name") == "" {
			return c.use()
		}
		return extent{width: s.width(name), parts: 1, joined: 1}
	case "JOIN":
		return s.join(n, sc)
	case "SUBQUERY":
		query, _ := n["subquery"].(map[string]any)
		return s.query(query["node"], sc)
	case "EXPRESSION_LIST":
		_, e := s.expressions(n["values"], sc)
		if rows := list(n["values"]); len(rows) > 0 {
			e.width = float64(len(list(rows[0])))
		}
		e.parts, e.joined = e.parts+1, 1
		return e
	case "PIVOT":
		return s.pivot(n, sc)
	}
	_, e := s.expressions(n, sc)
	e.width, e.parts, e.joined = columnsOfFunction, e.parts+1, 1
	return e
}

// join orders the relations of inner joins together. The sides of an outer join are each ordered by themselves.
func (s *surveyor) join(n map[string]any, sc *scope) extent {
	left, right := s.relation(n["left"], sc), s.relation(n["right"], sc)
	s.joined = max(s.joined, left.joined, right.joined)
	e := left.with(right)
	if n["join_type"] != "INNER" {
		e.joined = 1
	}
	_, on := s.expressions(n["condition"], sc)
	e.columns, e.parts = e.columns+on.columns, e.parts+on.parts
	return e
}

// pivot gives a column for each value, of each of its lists of values, and aggregate.
func (s *surveyor) pivot(n map[string]any, sc *scope) extent {
	e := s.relation(n["source"], sc)
	made := max(1, float64(len(list(n["aggregates"]))))
	for _, p := range list(n["pivots"]) {
		p, _ := p.(map[string]any)
		made *= max(1, float64(len(list(p["entries"]))))
	}
	e.width += made
	e.columns += e.width
	e.joined = 1
	return e
}

// expressions tells how many stars an expression has, and the extent of the queries in it.
func (s *surveyor) expressions(node any, sc *scope) (stars float64, e extent) {
	switch n := node.(type) {
	case []any:
		for _, child := range n {
			more, inner := s.expressions(child, sc)
			stars, e = stars+more, e.with(inner)
		}
	case map[string]any:
		if kind := text(n, "type"); strings.HasSuffix(kind, "_NODE") {
			return 0, s.query(n, sc)
		} else if kind == "STAR" {
			stars++
		}
		for _, child := range n {
			more, inner := s.expressions(child, sc)
			stars, e = stars+more, e.with(inner)
		}
	}
	return stars, e
}

// list gives a member that is an array, else nothing.
func list(node any) []any {
	l, _ := node.([]any)
	return l
}
