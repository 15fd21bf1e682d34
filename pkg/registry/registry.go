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
	text, err := yaml.Marshal(settings)
	if err != nil {
		return fmt.Errorf("line %d: %w", settings.Line, err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return moved(err, lineOf(settings))
	}
	return nil
}

// lineOf maps a line of the rewritten section to one of the file: keys keep their order, one a line, where the section
// is flat; otherwise the section's own line is the best there is.
func lineOf(settings *yaml.Node) func(int) int {
	return func(line int) int {
		if i := 2 * (line - 1); i >= 0 && i < len(settings.Content) {
			return settings.Content[i].Line
		}
		return settings.Line
	}
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// moved gives each of err's messages, with its line in the file and without the decoder's own words.
func moved(err error, line func(int) int) error {
	var typed *yaml.TypeError
	if !errors.As(err, &typed) {
		return err
	}
	var errs []error
	for _, text := range typed.Errors {
		text = yamlLine.ReplaceAllStringFunc(text, func(m string) string {
			n, _ := strconv.Atoi(yamlLine.FindStringSubmatch(m)[1]) // digits by the pattern
			return fmt.Sprintf("line %d: ", line(n))
		})
		text = inType.ReplaceAllString(text, "is not a known key")
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

var inType = regexp.MustCompile(`not found in type \S+`)
