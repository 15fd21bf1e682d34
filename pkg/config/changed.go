package config

import (
	"reflect"

	"gopkg.in/yaml.v3"
)

// Given reports whether the key path, as api.port or destinations, was given, whatever its value.
func (c *Config) Given(path string) bool {
	_, given := c.places[path]
	return given
}

// Changed lists the keys that have another value in other, in the order of config.yaml.example. The list of destinations
// is not compared.
func (c *Config) Changed(other *Config) []string {
	return changed(reflect.ValueOf(c).Elem(), reflect.ValueOf(other).Elem(), "")
}

// Changed lists the keys of the destination that have another value in other. Settings are one key: only a driver knows
// what they mean.
func (d *Destination) Changed(other *Destination) []string {
	return changed(reflect.ValueOf(d).Elem(), reflect.ValueOf(other).Elem(), "")
}

// changed lists what differs between the structs a and b, which are the key path.
func changed(a, b reflect.Value, path string) (paths []string) {
	for i := range a.NumField() {
		key, _ := tagOf(a.Type().Field(i))
		if key == "" {
			continue
		}
		at, av, bv := join(path, key), a.Field(i), b.Field(i)
		switch t := av.Type(); {
		case t == nodeType:
			if !sameNodes(av.Addr().Interface().(*yaml.Node), bv.Addr().Interface().(*yaml.Node)) {
				paths = append(paths, at)
			}
		case t.Kind() == reflect.Struct:
			paths = append(paths, changed(av, bv, at)...)
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct: // the destinations
		case !reflect.DeepEqual(av.Interface(), bv.Interface()):
			paths = append(paths, at)
		}
	}
	return paths
}

// sameNodes reports whether two nodes hold the same values. One that is not given holds no keys.
func sameNodes(a, b *yaml.Node) bool {
	var av, bv any
	if a.Decode(&av) != nil || b.Decode(&bv) != nil {
		return false
	}
	return reflect.DeepEqual(av, bv) || holdsNothing(av) && holdsNothing(bv)
}

func holdsNothing(v any) bool {
	m, ok := v.(map[string]any)
	return v == nil || ok && len(m) == 0
}
