package clickhouse

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// badSQL is a mistake in a query.
func badSQL(format string, args ...any) error {
	return fault.New(fault.Invalid, "bad_sql", format, args...)
}

var paramEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`, "\b", `\b`, "\f", `\f`)

// escapeParam is a text as the server reads a parameter's value.
func escapeParam(text string) string { return paramEscapes.Replace(text) }

// typedParam gives the server's type for a value, and the value as it reads it. nil is no parameter.
func typedParam(value any) (typ, text string, err error) {
	switch v := value.(type) {
	case bool:
		return "Bool", strconv.FormatBool(v), nil
	case int:
		return "Int64", strconv.Itoa(v), nil
	case int64:
		return "Int64", strconv.FormatInt(v, 10), nil
	case float64:
		switch {
		case math.IsNaN(v):
			return "Float64", "nan", nil
		case math.IsInf(v, 0):
			return "Float64", strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+"), nil
		}
		return "Float64", strconv.FormatFloat(v, 'g', -1, 64), nil
	case string:
		return "String", escapeParam(v), nil
	case time.Time:
		return "DateTime64(6, 'UTC')", v.UTC().Format("2006-01-02 15:04:05.000000"), nil
	}
	return "", "", badSQL("a parameter has a type that cannot be bound: %T", value)
}

// binding puts parameters of the server's own form where a query has ?, $1 or $name.
type binding struct {
	ordered []any
	named   map[string]destination.Named // by the name in lower case
	used    map[string]bool
	usedNth []bool
	next    int
	out     strings.Builder
	params  []param
}

// bind gives sql with {name:Type} in place of its parameters, and their values. A parameter that is of that form already
// gets the value that is named as it is.
func bind(sql string, args []any) (string, []param, error) {
	if len(args) == 0 {
		return sql, nil, nil
	}
	b := &binding{named: map[string]destination.Named{}, used: map[string]bool{}}
	for _, arg := range args {
		if named, ok := arg.(destination.Named); ok {
			name := strings.ToLower(named.Name)
			if _, twice := b.named[name]; twice {
				return "", nil, badSQL("parameter $%s was given twice", named.Name)
			}
			b.named[name] = named
		} else {
			b.ordered = append(b.ordered, arg)
		}
	}
	b.usedNth = make([]bool, len(b.ordered))
	if err := b.walk(sql); err != nil {
		return "", nil, err
	}
	return b.out.String(), b.params, b.unused()
}

func (b *binding) unused() error {
	for name, n := range b.named {
		if !b.used[name] {
			return badSQL("the query has no parameter $%s", n.Name)
		}
	}
	for i, used := range b.usedNth {
		if !used {
			return badSQL("the query has no parameter %d, %d values were given", i+1, len(b.ordered))
		}
	}
	return nil
}

// walk copies sql token by token.
func (b *binding) walk(sql string) error {
	for i := 0; i < len(sql); {
		end := tokenEnd(sql, i)
		token := sql[i:end]
		i = end
		var err error
		switch {
		case token == "?" && len(b.ordered) > 0:
			b.next++
			err = b.put(token, b.nth(b.next))
		case len(token) > 1 && token[0] == '$' && strings.Trim(token[1:], "0123456789") == "":
			n, nerr := strconv.Atoi(token[1:])
			if nerr != nil {
				return badSQL("the query has a parameter %s", token)
			}
			err = b.put(token, b.nth(n))
		case len(token) > 1 && token[0] == '$' && !strings.HasSuffix(token, "$"):
			err = b.put(token, b.byName(token[1:]))
		case token == "{":
			i = b.brace(sql, i)
		default:
			b.out.WriteString(token)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// value is one that was given, or not.
type value struct {
	of    any
	given bool
}

func (b *binding) nth(n int) value {
	if n < 1 || n > len(b.ordered) {
		return value{}
	}
	b.usedNth[n-1] = true
	return value{b.ordered[n-1], true}
}

func (b *binding) byName(name string) value {
	name = strings.ToLower(name)
	n, ok := b.named[name]
	b.used[name] = true
	return value{n.Value, ok}
}

func (b *binding) put(token string, v value) error {
	switch {
	case !v.given:
		return badSQL("the query wants a value for %s", token)
	case v.of == nil:
		b.out.WriteString("NULL")
		return nil
	}
	typ, text, err := typedParam(v.of)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("scratchdata_%d", len(b.params)+1)
	b.params = append(b.params, param{name, text})
	b.out.WriteString("{" + name + ":" + typ + "}")
	return nil
}

// brace copies {name:Type} and gives the place after what it has read.
func (b *binding) brace(sql string, from int) int {
	b.out.WriteByte('{')
	end := from
	for end < len(sql) && wordByte(sql[end]) {
		end++
	}
	name := strings.ToLower(sql[from:end])
	n, ok := b.named[name]
	if !ok || !strings.HasPrefix(strings.TrimLeft(sql[end:], " \t\r\n"), ":") {
		return from
	}
	b.out.WriteString(sql[from:end])
	if !b.used[name] {
		b.used[name] = true
		text := `\N`
		if n.Value != nil {
			if _, typed, err := typedParam(n.Value); err == nil {
				text = typed
			}
		}
		b.params = append(b.params, param{sql[from:end], text})
	}
	return end
}

func wordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// tokenEnd gives where the token ends that begins at i: a text, quoted name, comment, heredoc or word, or one character.
func tokenEnd(sql string, i int) int {
	rest := sql[i:]
	cut := func(open, closing string) int {
		if at := strings.Index(rest[len(open):], closing); at >= 0 {
			return i + len(open) + at + len(closing)
		}
		return len(sql)
	}
	switch c := rest[0]; {
	case c == '\'' || c == '"' || c == '`':
		return quoteEnd(sql, i) + 1
	case strings.HasPrefix(rest, "--") || c == '#' && len(rest) > 1 && (rest[1] == ' ' || rest[1] == '!'):
		return cut("--", "\n")
	case strings.HasPrefix(rest, "/*"):
		return cut("/*", "*/")
	case c == '$':
		end := 1
		for end < len(rest) && wordByte(rest[end]) {
			end++
		}
		if end < len(rest) && rest[end] == '$' { // a heredoc, if it has an end
			if tag := rest[:end+1]; strings.Contains(rest[len(tag):], tag) {
				return cut(tag, tag)
			}
		}
		return i + end
	case wordByte(c):
		end := 1
		for end < len(rest) && (wordByte(rest[end]) || rest[end] == '$') {
			end++
		}
		return i + end
	}
	return i + 1
}

// blank reports whether sql has nothing but comments and spaces.
func blank(sql string) bool {
	for i := 0; i < len(sql); {
		end := tokenEnd(sql, i)
		token := sql[i:end]
		if !strings.HasPrefix(token, "--") && !strings.HasPrefix(token, "/*") && token[0] != '#' && strings.Trim(token, " \t\r\n\v\f;") != "" {
			return false
		}
		i = end
	}
	return true
}
