package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

var (
	nodeType     = reflect.TypeFor[yaml.Node]()
	durationType = reflect.TypeFor[time.Duration]()
)

// Both stop an alias that contains itself.
const (
	maxNodes = 50_000 // of a file
	maxPath  = 500    // bytes of a key's path
)

// file lays the parsed file over the configuration.
func (r *reader) file(root *yaml.Node) {
	r.value(root, reflect.ValueOf(r.cfg).Elem(), "")
}

// value sets v, the key path, to what node says. An empty value leaves the default.
func (r *reader) value(node *yaml.Node, v reflect.Value, path string) {
	node = target(node)
	if !r.step(node, path) {
		return
	}
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		return
	}
	switch kind := v.Kind(); {
	case v.Type() == nodeType:
		v.Set(reflect.ValueOf(*r.resolved(node, path)))
	case kind == reflect.Struct:
		r.section(node, v, path)
	case kind == reflect.Slice:
		r.list(node, v, path)
	case node.Kind != yaml.ScalarNode:
		r.mistake(node, path, "must be one value, not a %s", kindName(node))
	default:
		text, ok := r.expand(node, path)
		if !ok {
			return
		}
		if err := setScalar(v, text); err != nil {
			r.mistake(node, path, "%v", err)
		}
	}
}

func (r *reader) section(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		r.mistake(node, path, "must have keys of its own, not be a %s", kindName(node))
		return
	}
	given := make(map[string]*yaml.Node)
	for _, p := range pairs(node, nil) {
		key := p.key.Value
		name, field, ok := fieldOf(v, key)
		if !ok {
			r.mistake(p.key, join(path, key), "unknown key; %s", suggest(key, keysOf(v.Type())))
			continue
		}
		if first := given[name]; first != nil {
			r.mistake(p.key, join(path, key), "given twice, first on line %d", first.Line)
			continue
		}
		given[name] = p.key
		r.cfg.places[join(path, name)] = place{line: p.key.Line}
		r.value(p.value, field, join(path, name))
	}
}

func (r *reader) list(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.SequenceNode {
		r.mistake(node, path, "must be a list, not a %s", kindName(node))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.cfg.places[at] = place{line: item.Line}
		r.value(item, v.Index(i), at)
	}
}

// mistake notes one at the node.
func (r *reader) mistake(node *yaml.Node, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	} else {
		text = "the file " + text
	}
	r.mistakes.Add(Mistake{Line: node.Line, Text: text})
}

// step counts a node and reports false when there are too many.
func (r *reader) step(node *yaml.Node, path string) bool {
	r.nodes++
	if r.nodes > maxNodes || len(path) > maxPath {
		if r.nodes <= maxNodes+1 {
			r.nodes = maxNodes + 1
			r.mistake(node, path[:min(len(path), maxPath)], "too large, or an alias that contains itself")
		}
		return false
	}
	return true
}

// resolved copies a driver's settings with aliases, merges and variables put in, so that they stand on their own.
func (r *reader) resolved(node *yaml.Node, path string) *yaml.Node {
	node = target(node)
	c := *node
	c.Anchor, c.Alias, c.Content = "", nil, nil
	if !r.step(node, path) {
		return &c
	}
	switch node.Kind {
	case yaml.MappingNode:
		c.Style &^= yaml.FlowStyle // one key a line, so that whoever writes it out again can tell the line of a mistake
		for _, p := range pairs(node, nil) {
			at := join(path, p.key.Value)
			r.cfg.places[at] = place{line: p.key.Line}
			c.Content = append(c.Content, p.key, r.resolved(p.value, at))
		}
	case yaml.SequenceNode:
		c.Style |= yaml.FlowStyle
		for i, item := range node.Content {
			c.Content = append(c.Content, r.resolved(item, fmt.Sprintf("%s[%d]", path, i)))
		}
	case yaml.ScalarNode:
		if text, ok := r.expand(node, path); ok && text != node.Value {
			fresh := scalar(text, node.Style)
			fresh.Line, fresh.Column = node.Line, node.Column
			return fresh
		}
	}
	return &c
}

// scalar makes a node of text that came from the environment. Unless it was quoted, numbers and booleans are such; no
// other text is ever read as anything but text.
func scalar(text string, style yaml.Style) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if style == 0 {
		switch n.ShortTag() {
		case "!!int", "!!float", "!!bool":
			n.Tag = n.ShortTag()
			return n
		}
	}
	n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	return n
}

// target follows an alias.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

type pair struct{ key, value *yaml.Node }

// pairs lists a mapping's keys and values; those of a merge (<<) come last and only when the mapping has not the key.
// The mappings in done are not merged again.
func pairs(node *yaml.Node, done map[*yaml.Node]bool) []pair {
	if done == nil {
		done = make(map[*yaml.Node]bool)
	}
	done[node] = true
	var own, merged []pair
	has := make(map[string]bool)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], target(node.Content[i+1])
		if key.ShortTag() != "!!merge" {
			own = append(own, pair{key, node.Content[i+1]})
			has[key.Value] = true
			continue
		}
		sources := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			sources = value.Content
		}
		for _, s := range sources {
			if s = target(s); s.Kind == yaml.MappingNode && !done[s] {
				merged = append(merged, pairs(s, done)...)
			}
		}
	}
	for _, p := range merged {
		if !has[p.key.Value] {
			own = append(own, p)
			has[p.key.Value] = true
		}
	}
	return own
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	default:
		return "single value"
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// tagOf gives a field's key and its other spelling. Fields without a key are not settings.
func tagOf(f reflect.StructField) (name, alias string) {
	return f.Tag.Get("yaml"), f.Tag.Get("alias")
}

// fieldOf finds the field of the struct v by its key.
func fieldOf(v reflect.Value, key string) (name string, field reflect.Value, ok bool) {
	for i := range v.NumField() {
		name, alias := tagOf(v.Type().Field(i))
		if name != "" && (name == key || alias != "" && alias == key) {
			return name, v.Field(i), true
		}
	}
	return "", reflect.Value{}, false
}

// keysOf lists the keys of the struct type t.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if name, _ := tagOf(t.Field(i)); name != "" {
			keys = append(keys, name)
		}
	}
	return keys
}

// setScalar reads text as v's type.
func setScalar(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Type() == durationType {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 500ms, 30s or 5m", text)
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := parseBool(text)
		if err != nil {
			return err
		}
		v.SetBool(b)
	default: // the integers: TestEveryKeyIsOfAKnownType holds that there is nothing else
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(n)
	}
	return nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	default:
		return false, fmt.Errorf("%q is neither true nor false", text)
	}
}
