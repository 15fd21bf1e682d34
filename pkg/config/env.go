package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Prefix begins the name of every variable that sets a key: SCRATCH_API_PORT sets api.port. A list takes its items
// separated by commas. A destination is named by its position, and a driver's setting by its key:
// SCRATCH_DESTINATIONS_0_API_KEYS, SCRATCH_DESTINATIONS_0_SETTINGS_FILE.
const Prefix = "SCRATCH_"

// maxItems is the highest position that a variable may name, so that a slip does not make millions.
const maxItems = 1000

// reference is ${NAME} in a value; $${NAME} stands for the text ${NAME} itself.
var reference = regexp.MustCompile(`\$?\$\{[^}]*\}?`)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand puts variables into a value. It reports false when one cannot be.
func (r *reader) expand(node *yaml.Node, path string) (string, bool) {
	ok := true
	text := reference.ReplaceAllStringFunc(node.Value, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		name, closed := strings.CutSuffix(ref[2:], "}")
		if !closed || !variableName.MatchString(name) {
			ok = false
			r.mistake(node, path, "%s is not a variable such as ${NAME}; write $${ for the text ${", ref)
			return ref
		}
		r.named[name] = true
		value, set := r.env[name]
		if !set {
			ok = false
			r.mistake(node, path, "the environment variable %s is not set", name)
		}
		return value
	})
	return text, ok
}

// environment lays the variables over the configuration.
func (r *reader) environment() {
	root := reflect.ValueOf(r.cfg).Elem()
	for _, name := range slices.Sorted(maps.Keys(r.env)) {
		rest, ours := strings.CutPrefix(name, Prefix)
		if !ours || r.foreign(name) {
			continue
		}
		if !r.variable(name, rest, root, "") {
			r.mistakes.Add(Mistake{Variable: name, Text: "no key has this name; " + suggestVariable(name)})
		}
	}
}

// foreign reports whether a variable with our prefix is not meant as a key: one that the file refers to, one of the
// tests, SCRATCH_KEY, which people keep a client's key in, and what Kubernetes sets for a service called "scratch".
func (r *reader) foreign(name string) bool {
	return r.named[name] || name == "SCRATCH_KEY" || strings.HasPrefix(name, "SCRATCH_TEST_") ||
		strings.HasPrefix(name, "SCRATCH_SERVICE_") || name == "SCRATCH_PORT" || strings.HasPrefix(name, "SCRATCH_PORT_")
}

// variable sets the key of the struct v that rest names, and reports whether there is one.
func (r *reader) variable(name, rest string, v reflect.Value, path string) bool {
	for i := range v.NumField() {
		key, alias := tagOf(v.Type().Field(i))
		if key == "" {
			continue
		}
		for _, spelling := range [...]string{key, alias} {
			tail, ok := strings.CutPrefix(rest, strings.ToUpper(spelling))
			if ok && spelling != "" && r.field(name, tail, v.Field(i), join(path, key)) {
				return true
			}
		}
	}
	return false
}

// field sets the field v, the key path, and reports whether tail names something in it. An empty tail is the field
// itself; else it begins with '_'.
func (r *reader) field(name, tail string, v reflect.Value, path string) bool {
	under, inside := strings.CutPrefix(tail, "_")
	switch kind := v.Kind(); {
	case v.Type() == nodeType:
		return inside && under != "" && r.setting(name, under, v.Addr().Interface().(*yaml.Node), path)
	case kind == reflect.Struct:
		return inside && r.variable(name, under, v, path)
	case kind == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		return inside && r.item(name, under, v, path)
	case tail != "":
		return false
	case kind == reflect.Slice:
		r.splitList(v, r.env[name])
	default:
		if err := setScalar(v, r.env[name]); err != nil {
			r.mistakes.Add(Mistake{Variable: name, Text: path + ": " + err.Error()})
		}
	}
	r.cfg.places[path] = place{variable: name}
	return true
}

// item sets a key of one element of a list. The list grows as needed.
func (r *reader) item(name, rest string, v reflect.Value, path string) bool {
	digits, rest, _ := strings.Cut(rest, "_")
	i, err := strconv.Atoi(digits)
	if err != nil || i < 0 || i >= maxItems || strconv.Itoa(i) != digits {
		return false
	}
	grown := v.Len()
	for v.Len() <= i {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	}
	path = fmt.Sprintf("%s[%d]", path, i)
	if !r.variable(name, rest, v.Index(i), path) {
		v.SetLen(grown)
		return false
	}
	if _, known := r.cfg.places[path]; !known {
		r.cfg.places[path] = place{variable: name}
	}
	return true
}

func (r *reader) splitList(v reflect.Value, text string) {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			v.Set(reflect.Append(v, reflect.ValueOf(part).Convert(v.Type().Elem())))
		}
	}
}

// setting sets one of a driver's settings. Whether there is such a one only the driver knows.
func (r *reader) setting(name, rest string, settings *yaml.Node, path string) bool {
	line := r.cfg.lineOf(name)
	if settings.Kind == 0 {
		*settings = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
	}
	if settings.Kind != yaml.MappingNode {
		return true // a mistake in the file, which the driver will report
	}
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ToLower(rest), Line: line}
	value := scalar(r.env[name], 0)
	value.Line = line
	r.cfg.places[join(path, key.Value)] = place{variable: name}
	for i := 0; i+1 < len(settings.Content); i += 2 {
		if settings.Content[i].Value == key.Value {
			settings.Content[i], settings.Content[i+1] = key, value
			return true
		}
	}
	settings.Content = append(settings.Content, key, value)
	return true
}

// suggestVariable says which variable was likely meant.
func suggestVariable(name string) string {
	names := Variables()
	for i := range 10 { // a slip in a destination's variable is compared with those of its own position
		own := fmt.Sprintf("_%d_", i)
		if strings.Contains(name, own) {
			for j, n := range names {
				names[j] = strings.Replace(n, "_N_", own, 1)
			}
		}
	}
	if s := suggest(name, names); strings.HasPrefix(s, "did") {
		return s
	}
	return "see config.yaml.example for the keys"
}

// Variables lists the environment's variable for every key, with N for a destination's position and NAME for the name of a
// driver's setting.
func Variables() []string {
	names := Paths()
	form := strings.NewReplacer(".", "_", "[]", "_N")
	for i, path := range names {
		names[i] = Prefix + strings.ToUpper(form.Replace(path))
		if strings.HasSuffix(path, "settings") {
			names[i] += "_NAME"
		}
	}
	return names
}

// Paths lists every key with the sections that it is in, as api.port or destinations[].id.
func Paths() []string { return appendPaths(nil, reflect.TypeFor[Config](), "") }

func appendPaths(paths []string, t reflect.Type, path string) []string {
	switch {
	case t == nodeType, t.Kind() != reflect.Struct && (t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Struct):
		return append(paths, path)
	case t.Kind() == reflect.Slice:
		return appendPaths(paths, t.Elem(), path+"[]")
	}
	for i := range t.NumField() {
		if key, _ := tagOf(t.Field(i)); key != "" {
			paths = appendPaths(paths, t.Field(i).Type, join(path, key))
		}
	}
	return paths
}
