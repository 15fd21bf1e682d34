package registry

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Size is a number of bytes. In text it may have a unit: 64MiB, 1GiB, 512KB, 1.5GB; a plain number counts bytes.
type Size int64

// units by their names in lower case, longest first, so that "kib" is not read as "b".
var units = []struct {
	name  string
	bytes int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1},
}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number, factor := strings.ToLower(strings.TrimSpace(string(text))), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/factor {
		*s = Size(n * factor) // exact, where a large number would be rounded below
		return nil
	}
	f, err := strconv.ParseFloat(number, 64)
	f *= float64(factor)
	if err != nil || math.IsNaN(f) || f < 0 || f >= math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 64MiB", text)
	}
	*s = Size(f)
	return nil
}

// UnmarshalYAML reads a size from a scalar. Its error is of the decoder's own type, so that it is told along with those
// of other keys.
func (s *Size) UnmarshalYAML(node *yaml.Node) error {
	text := "a size such as 64MiB is wanted"
	if node.Kind == yaml.ScalarNode {
		err := s.UnmarshalText([]byte(node.Value))
		if err == nil {
			return nil
		}
		text = err.Error()
	}
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %s", node.Line, text)}}
}

// String gives the size in the largest binary unit that divides it.
func (s Size) String() string {
	for _, u := range [...]struct {
		name  string
		bytes Size
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s >= u.bytes && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
