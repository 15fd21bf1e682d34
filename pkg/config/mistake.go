package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/spelling"
)

// Mistake is one thing wrong with a configuration.
type Mistake struct {
	Line     int    // in the file, 0 when it is not there
	Variable string // of the environment, empty when it is not there
	Text     string
}

// String says where, then what.
func (m Mistake) String() string {
	switch {
	case m.Variable != "":
		return m.Variable + ": " + m.Text
	case m.Line > 0:
		return fmt.Sprintf("line %d: %s", m.Line, m.Text)
	default:
		return m.Text
	}
}

// Mistakes is everything wrong with a configuration. As an error it has one line for each.
type Mistakes struct {
	File string // empty when there is none
	List []Mistake
}

// Error lists the mistakes.
func (m *Mistakes) Error() string {
	var b strings.Builder
	b.WriteString("the configuration")
	if m.File != "" {
		b.WriteString(" " + m.File)
	}
	if len(m.List) == 1 {
		b.WriteString(" has a mistake:")
	} else {
		fmt.Fprintf(&b, " has %d mistakes:", len(m.List))
	}
	for _, one := range m.List {
		b.WriteString("\n  " + one.String())
	}
	return b.String()
}

// Add appends mistakes and keeps the list in the file's order, with those of the environment last.
func (m *Mistakes) Add(more ...Mistake) {
	m.List = append(m.List, more...)
	slices.SortStableFunc(m.List, func(a, b Mistake) int {
		return cmp.Or(strings.Compare(a.Variable, b.Variable), cmp.Compare(a.Line, b.Line))
	})
}

// Err returns m, or nil when there is no mistake.
func (m *Mistakes) Err() error {
	if len(m.List) == 0 {
		return nil
	}
	return m
}

// place is where a key was given.
type place struct {
	line     int
	variable string
}

// Mistake makes a mistake about the key path, such as api.port or destinations[0].id, at the place where it was given,
// or else where the nearest section around it was.
func (c *Config) Mistake(path, format string, args ...any) Mistake {
	m := Mistake{Text: path + ": " + fmt.Sprintf(format, args...)}
	for p := path; p != ""; p = parent(p) {
		if at, ok := c.places[p]; ok {
			m.Line, m.Variable = at.line, at.variable
			break
		}
	}
	return m
}

// MistakeAt makes a mistake at a line that a node of the settings has, which may stand for a variable of the environment.
func (c *Config) MistakeAt(line int, format string, args ...any) Mistake {
	m := Mistake{Text: fmt.Sprintf(format, args...)}
	switch {
	case line > 0:
		m.Line = line
	case line < 0 && -line <= len(c.variables):
		m.Variable = c.variables[-line-1]
	}
	return m
}

// lineOf gives the line number, below 0, of nodes that come from the variable name.
func (c *Config) lineOf(name string) int {
	c.variables = append(c.variables, name)
	return -len(c.variables)
}

// parent gives the path of the section that path is in.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// suggest says which of known was likely meant by name, or else which there are.
func suggest(name string, known []string) string {
	if meant, ok := spelling.Nearest(name, known); ok {
		return fmt.Sprintf("did you mean %s?", meant)
	}
	return "known are " + strings.Join(known, ", ")
}
