// Package sqltext finds the one statement in a text of SQL, so that it can be put into another.
//
// It reads SQL as PostgreSQL and DuckDB do, and knows no more of it than where strings, names, comments and parentheses
// end. Nobody's safety may depend on it: what is made with it goes through the engine's own checks like any other text.
package sqltext

import "strings"

// One gives the only statement of sql, without the semicolons around it and what follows them. In parentheses, after a
// newline, which ends a comment that it may end with, it is what it was alone. ok is false where that cannot be: when there
// are several statements or none, when a string, a comment or a parenthesis is not closed, when one is closed that was not
// opened, and for a join without its FROM, which parentheses would complete.
func One(sql string) (statement string, ok bool) {
	s := scanner{from: []bool{false}}
	begin := 0
	for at := 0; at < len(sql); {
		t := next(sql[at:])
		if t.size == 0 || !s.take(t.kind, sql[at:at+t.size]) {
			return "", false
		}
		if t.kind == semicolon {
			if !s.end(&statement, sql[begin:at]) {
				return "", false
			}
			begin = at + t.size
		}
		at += t.size
	}
	if !s.end(&statement, sql[begin:]) {
		return "", false
	}
	return statement, statement != ""
}

// scanner is what is known of the statement that is being read.
type scanner struct {
	any    bool   // it has more than white space and comments
	from   []bool // whether FROM was met, in it and in each parenthesis that is open
	before string // the token before
}

// take reads a token and reports whether it may be here.
func (s *scanner) take(k kind, text string) bool {
	inner := len(s.from) - 1
	switch k {
	case blank:
		return true
	case semicolon:
		return inner == 0
	case open:
		s.from = append(s.from, s.from[inner])
	case closed:
		if inner == 0 {
			return false
		}
		s.from = s.from[:inner]
	case word:
		if s.isName() {
			break
		}
		if strings.EqualFold(text, "join") && !s.from[inner] {
			return false
		}
		s.from[inner] = s.from[inner] || strings.EqualFold(text, "from")
	}
	s.any, s.before = true, text
	return true
}

// isName reports whether the next word is a name, whatever it is: that of a member or an alias.
func (s *scanner) isName() bool { return s.before == "." || strings.EqualFold(s.before, "as") }

// end ends the statement, whose text is sql, and reports whether it may be the only one. It becomes found unless it is empty.
func (s *scanner) end(found *string, sql string) bool {
	if len(s.from) > 1 || s.any && *found != "" {
		return false
	}
	if s.any {
		*found = sql
	}
	*s = scanner{from: []bool{false}}
	return true
}
