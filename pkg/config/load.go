package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Load reads the YAML file name, or none when name is empty, and lays the environment over it; environ has the form of
// os.Environ.
//
// When the error is *Mistakes, the configuration has what could be read, so that a caller can look for more mistakes.
func Load(name string, environ []string) (Config, error) {
	var text []byte
	if name != "" {
		var err error
		if text, err = os.ReadFile(name); err != nil {
			return Config{}, fmt.Errorf("read the configuration: %w", err)
		}
	}
	return parse(name, text, environ)
}

// parse is Load of a file's text.
func parse(name string, text []byte, environ []string) (Config, error) {
	cfg := Default()
	cfg.Destinations = nil
	cfg.places = make(map[string]place)
	r := &reader{cfg: &cfg, mistakes: Mistakes{File: name}, env: variables(environ), named: make(map[string]bool)}
	if root := r.document(text); root != nil {
		r.file(root)
	}
	if len(cfg.Destinations) == 0 {
		cfg.Destinations = defaultDestinations()
	}
	r.environment()
	r.mistakes.Add(cfg.check()...)
	return cfg, r.mistakes.Err()
}

// reader fills a Config.
type reader struct {
	cfg      *Config
	env      map[string]string
	named    map[string]bool // variables that ${…} in the file names
	nodes    int             // of the file, met so far
	mistakes Mistakes
}

func variables(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok {
			env[name] = value
		}
	}
	return env
}

// yamlLine finds the line in an error of the YAML parser.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// document parses text and gives its top mapping, nil when there is none.
func (r *reader) document(text []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := d.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			r.syntax(err)
		}
		return nil
	}
	switch err := d.Decode(&second); {
	case err == nil:
		r.mistakes.Add(Mistake{Line: second.Line, Text: "a second document: the file must have one"})
	case !errors.Is(err, io.EOF):
		r.syntax(err)
	}
	return doc.Content[0]
}

func (r *reader) syntax(err error) {
	m := Mistake{Text: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
		m.Line, _ = strconv.Atoi(found[1])
		m.Text = "not YAML: " + err.Error()[len(found[0]):]
	}
	r.mistakes.Add(m)
}
