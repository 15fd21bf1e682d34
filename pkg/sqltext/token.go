package sqltext

import (
	"strings"
	"unicode/utf8"
)

// kind is what a token is.
type kind uint8

const (
	other     kind = iota
	blank          // white space, or a comment
	word           // a keyword, or a name without quotes
	semicolon      // ;
	open           // (
	closed         // )
)

// token is a piece of SQL. Its size is 0 when its end is missing.
type token struct {
	size int // in bytes
	kind kind
}

// next gives the token that sql, which is not empty, begins with.
func next(sql string) token {
	if n := space(sql); n > 0 {
		return token{n, blank}
	}
	switch c := sql[0]; {
	case c == ';':
		return token{1, semicolon}
	case c == '(':
		return token{1, open}
	case c == ')':
		return token{1, closed}
	case c == '\'' || c == '"':
		return token{quoted(sql), other}
	case strings.HasPrefix(sql, "--"):
		return token{line(sql), blank}
	case strings.HasPrefix(sql, "/*"):
		return token{block(sql), blank}
	case c == '$':
		return token{dollar(sql), other}
	case len(sql) > 1 && (c == 'e' || c == 'E') && sql[1] == '\'':
		return token{escaped(sql), other}
	case begins(c):
		return token{name(sql, true), word}
	}
	return token{1, other}
}

// space gives the size of the white space that sql begins with: a character, or 0. DuckDB takes those for it that people paste
// from elsewhere.
func space(sql string) int {
	switch c, size := utf8.DecodeRuneInString(sql); {
	case c == ' ', c == '\t', c == '\n', c == '\r', c == '\f', c == '\u00a0', c >= '\u2000' && c <= '\u200b', c == '\u202f',
		c == '\u205f', c == '\u2060', c == '\u3000', c == '\ufeff':
		return size
	}
	return 0
}

// line gives the size of the comment that sql begins with, which its line ends.
func line(sql string) int {
	if n := strings.IndexAny(sql, "\n\r"); n >= 0 {
		return n
	}
	return len(sql)
}

// block gives the size of the comment that sql begins with, which may have others in it.
func block(sql string) int {
	depth := 0
	for at := 0; at+1 < len(sql); at++ {
		switch sql[at : at+2] {
		case "/*":
			depth++
			at++
		case "*/":
			depth--
			at++
			if depth == 0 {
				return at + 1
			}
		}
	}
	return 0
}

// quoted gives the size of what sql begins with, which is in quotes. Two of them stand for one.
func quoted(sql string) int {
	quote := sql[0]
	for at := 1; at < len(sql); at++ {
		if sql[at] != quote {
			continue
		}
		if at+1 == len(sql) || sql[at+1] != quote {
			return at + 1
		}
		at++
	}
	return 0
}

// escaped gives the size of the string E'…' that sql begins with, in which a backslash takes the next character's meaning. It
// may go on in the next line, as all strings may, and then backslashes do so there, too.
func escaped(sql string) int {
	for at := 2; at < len(sql); at++ {
		switch sql[at] {
		case '\\':
			at++
		case '\'':
			if at+1 < len(sql) && sql[at+1] == '\'' {
				at++
				continue
			}
			more := goesOn(sql[at+1:])
			if more == 0 {
				return at + 1
			}
			at += more
		}
	}
	return 0
}

// goesOn gives the size of what is between a string and its second part, the quote included: white space with a new line, and
// comments that end with one. It is 0 when sql begins with nothing of the kind.
func goesOn(sql string) int {
	fresh := false
	for at := 0; at < len(sql); {
		switch {
		case sql[at] == '\'' && fresh:
			return at + 1
		case strings.HasPrefix(sql[at:], "--"):
			at += line(sql[at:])
		case space(sql[at:]) > 0:
			fresh = fresh || sql[at] == '\n' || sql[at] == '\r'
			at += space(sql[at:])
		default:
			return 0
		}
	}
	return 0
}

// dollar gives the size of the string $tag$…$tag$ that sql begins with, or 1 when it is none.
func dollar(sql string) int {
	tag := 1
	if len(sql) > 1 && begins(sql[1]) {
		tag += name(sql[1:], false)
	}
	if tag >= len(sql) || sql[tag] != '$' {
		return 1
	}
	mark := sql[:tag+1]
	if n := strings.Index(sql[len(mark):], mark); n >= 0 {
		return n + 2*len(mark)
	}
	return 0
}

// begins reports whether c may be the first byte of a name.
func begins(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

// name gives the size of the name that sql begins with, in which, unless it is a string's tag, there may be a '$'.
func name(sql string, dollars bool) int {
	at := 0
	for at < len(sql) {
		c := sql[at]
		if !begins(c) && (c < '0' || c > '9') && (c != '$' || !dollars) || space(sql[at:]) > 0 {
			break
		}
		_, size := utf8.DecodeRuneInString(sql[at:])
		at += size
	}
	return at
}
