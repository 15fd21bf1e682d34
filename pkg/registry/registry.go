// Package registry opens drivers by name from sections of the configuration.
package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Validator is a driver's settings, which know their own mistakes.
type Validator interface{ Validate() error }

// Driver checks the settings of one kind of driver and opens it. P is its port.
type Driver[P any] struct {
	check func(settings *yaml.Node) error
	same  func(a, b *yaml.Node) bool
	open  func(ctx context.Context, settings *yaml.Node, log *slog.Logger) (P, error)
}

// Typed makes a Driver whose settings have the type C and begin as what defaults returns.
func Typed[C Validator, P any](defaults func() C, open func(context.Context, C, *slog.Logger) (P, error)) Driver[P] {
	read := func(settings *yaml.Node) (C, error) {
		c := defaults()
		if err := decode(settings, &c); err != nil {
			return c, err
		}
		return c, c.Validate()
	}
	return Driver[P]{
		check: func(settings *yaml.Node) error {
			_, err := read(settings)
			return err
		},
		same: func(a, b *yaml.Node) bool {
			ca, aerr := read(a)
			cb, berr := read(b)
			return aerr == nil && berr == nil && reflect.DeepEqual(ca, cb)
		},
		open: func(ctx context.Context, settings *yaml.Node, log *slog.Logger) (P, error) {
			c, err := read(settings)
			if err != nil {
				var none P
				return none, err
			}
			return open(ctx, c, log)
		},
	}
}

// Drivers is the known drivers of one port, by the name that the configuration uses.
type Drivers[P any] map[string]Driver[P]

// Names lists the known drivers, sorted.
func (d Drivers[P]) Names() []string { return slices.Sorted(maps.Keys(d)) }

// Check says what is wrong with the settings of the driver name, without opening anything.
func (d Drivers[P]) Check(name string, settings *yaml.Node) error {
	driver, err := d.find(name)
	if err != nil {
		return err
	}
	return driver.check(settings)
}

// Same reports whether a and b mean the same to the driver name, however they are written and whatever they leave out. Nothing
// means the same as what has a mistake.
func (d Drivers[P]) Same(name string, a, b *yaml.Node) bool {
	driver, err := d.find(name)
	return err == nil && driver.same(a, b)
}

// Open opens the driver name with settings; a nil or empty node means its defaults.
func (d Drivers[P]) Open(ctx context.Context, name string, settings *yaml.Node, log *slog.Logger) (P, error) {
	driver, err := d.find(name)
	if err != nil {
		var none P
		return none, err
	}
	return driver.open(ctx, settings, log)
}

func (d Drivers[P]) find(name string) (Driver[P], error) {
	driver, ok := d[name]
	if !ok {
		return driver, fmt.Errorf("type %q is not known: it is one of %s", name, strings.Join(d.Names(), ", "))
	}
	return driver, nil
}

// decode reads settings strictly into c. yaml.v3's Node.Decode has no KnownFields, so the node is written out and read
// again; the line numbers of its messages are moved to where the section stands in the file.
func decode(settings *yaml.Node, c any) error {
	if settings == nil || settings.IsZero() || settings.Tag == "!!null" {
		return nil
	}
	if settings.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: settings must be a mapping", settings.Line)
	}
	text, err := yaml.Marshal(spread(settings))
	if err != nil {
		return fmt.Errorf("line %d: %w", settings.Line, err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return moved(err, linesOf(settings, text))
	}
	return nil
}

// spread copies a node so that it is written out with one key or item a line, without comments: yaml.v3 puts one that
// follows a list between a later key and its value. Then a line tells which one a message is about.
func spread(n *yaml.Node) *yaml.Node {
	c := *n
	c.HeadComment, c.LineComment, c.FootComment = "", "", ""
	c.Style &^= yaml.FlowStyle
	c.Content = nil
	for _, child := range n.Content {
		c.Content = append(c.Content, spread(child))
	}
	return &c
}

// linesOf gives the line in the file for each line of text, which is settings written out.
func linesOf(settings *yaml.Node, text []byte) map[int]int {
	lines := make(map[int]int)
	var written yaml.Node
	if err := yaml.Unmarshal(text, &written); err != nil || len(written.Content) != 1 {
		return lines
	}
	var walk func(w, n *yaml.Node)
	walk = func(w, n *yaml.Node) {
		if _, ok := lines[w.Line]; !ok && len(w.Content) == 0 { // a key comes before its value, which may be further down
			lines[w.Line] = n.Line
		}
		for i := range min(len(w.Content), len(n.Content)) {
			walk(w.Content[i], n.Content[i])
		}
	}
	walk(written.Content[0], settings)
	return lines
}

var (
	yamlLine = regexp.MustCompile(`^line (\d+): |at line (\d+)$`)
	digits   = regexp.MustCompile(`\d+`)
	inType   = regexp.MustCompile(`not found in type .*`)
)

// moved gives each of err's messages, with its line in the file and without the decoder's own words.
func moved(err error, lines map[int]int) error {
	var typed *yaml.TypeError
	if !errors.As(err, &typed) {
		return err
	}
	var errs []error
	for _, text := range typed.Errors {
		text = yamlLine.ReplaceAllStringFunc(text, func(m string) string {
			return digits.ReplaceAllStringFunc(m, func(line string) string {
				n, _ := strconv.Atoi(line) // digits by the pattern
				return strconv.Itoa(lines[n])
			})
		})
		errs = append(errs, errors.New(inType.ReplaceAllString(text, "is not a known key")))
	}
	return errors.Join(errs...)
}
