package postgrest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// parser reads one text by recursive descent. Its methods stop at what is not theirs; the caller says what may follow.
type parser struct {
	where string // what the text is, for messages
	text  string
	at    int    // how many bytes are read
	code  string // of a mistake that has no code of its own
	left  *allowance
}

// place is where in a request something stands.
type place struct {
	where string
	ahead string // the text before it
}

func (w place) fail(code, format string, args ...any) *fault.Error {
	character := utf8.RuneCountInString(w.ahead) + 1
	return fault.New(fault.Invalid, code, "%s, character %d: %s", w.where, character, fmt.Sprintf(format, args...))
}

func (p *parser) place(at int) place { return place{p.where, p.text[:at]} }

func (p *parser) fail(at int, code, format string, args ...any) error {
	return p.place(at).fail(code, format, args...)
}

// show prints a part of a request for a message, cut when it is long.
func show(s string) string {
	const most = 60
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
}

// expected says what should have come instead of what does.
func (p *parser) expected(what string) error {
	if p.at == len(p.text) {
		return p.fail(p.at, p.code, "expected %s, not the end", what)
	}
	c, _ := utf8.DecodeRuneInString(p.text[p.at:])
	return p.fail(p.at, p.code, "expected %s, not %q", what, c)
}

// end makes sure that all was read; what says what could have come else.
func (p *parser) end(what string) error {
	if p.at < len(p.text) {
		return p.expected(what + "the end")
	}
	return nil
}

// peek is the next byte, 0 at the end: no text has a NUL.
func (p *parser) peek() byte {
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

// take reads s if it is next.
func (p *parser) take(s string) bool {
	if !strings.HasPrefix(p.text[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

// skip reads white space.
func (p *parser) skip() {
	for p.peek() == ' ' || p.peek() == '\t' {
		p.at++
	}
}

// until reads up to any of stops.
func (p *parser) until(stops string) string {
	start := p.at
	if n := strings.IndexAny(p.text[start:], stops); n >= 0 {
		p.at += n
	} else {
		p.at = len(p.text)
	}
	return p.text[start:p.at]
}

func (p *parser) rest() string { return p.until("") }

// column is a column as a request names it.
type column struct {
	name string
	at   place
}

// column reads a column's name, and refuses what PostgREST lets follow it to reach into JSON or other tables.
func (p *parser) column() (column, error) {
	p.skip()
	at := p.place(p.at)
	name, err := p.name()
	if err != nil {
		return column{}, err
	}
	return column{name, at}, p.plain()
}

func (p *parser) plain() error {
	switch {
	case strings.HasPrefix(p.text[p.at:], "->"):
		return p.fail(p.at, "not_supported", "JSON paths are not supported")
	case p.peek() == '(' || p.peek() == '!':
		return p.fail(p.at, "not_supported", "embedded tables and functions are not supported")
	}
	return nil
}

// name reads a name: any text in double quotes, or letters, digits, '_' and '$', and '-' and spaces between them.
func (p *parser) name() (string, error) {
	p.skip()
	start := p.at
	if p.peek() == '"' {
		name, ok := p.quoted()
		if !ok {
			return "", p.fail(start, p.code, "the double quote is never closed")
		}
		if name == "" {
			return "", p.fail(start, p.code, "the name is empty")
		}
		p.skip()
		return name, nil
	}
	for p.at < len(p.text) {
		c, n := utf8.DecodeRuneInString(p.text[p.at:])
		if !nameRune(c) && !(c == '-' && p.at > start && p.nameFollows(p.at+1)) {
			break
		}
		p.at += n
	}
	name := strings.Trim(p.text[start:p.at], " ")
	if name == "" {
		return "", p.expected("a column's name")
	}
	p.skip()
	return name, nil
}

// nameRune reports whether c may stand in a name without quotes. Marks are what the letters of many scripts consist of.
func nameRune(c rune) bool {
	return unicode.IsLetter(c) || unicode.IsMark(c) || '0' <= c && c <= '9' || c == '_' || c == '$' || c == ' '
}

func (p *parser) nameFollows(at int) bool {
	c, _ := utf8.DecodeRuneInString(p.text[at:])
	return nameRune(c)
}

// quoted reads a text in double quotes, in which a backslash takes away the meaning of the next character. If it is never
// closed nothing is read.
func (p *parser) quoted() (string, bool) {
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch p.text[i] {
		case '"':
			p.at = i + 1
			return b.String(), true
		case '\\':
			if i++; i == len(p.text) {
				return "", false
			}
		}
		b.WriteByte(p.text[i])
	}
	return "", false
}

// element reads a value up to ',' or ')'. As PostgREST has it, double quotes have a meaning only around all of it.
func (p *parser) element() string {
	start := p.at
	if p.peek() == '"' {
		text, ok := p.quoted()
		if c := p.peek(); ok && (c == 0 || c == ',' || c == ')') {
			return text
		}
		p.at = start
	}
	return p.until(",)")
}
