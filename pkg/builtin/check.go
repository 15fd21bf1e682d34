package builtin

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/destination/duckdb"
)

// duckType is the type of the embedded database.
const duckType = "duckdb"

// Check gives every mistake in the sections that choose a driver. It opens nothing.
func (d Drivers) Check(cfg *config.Config) []config.Mistake {
	k := &checker{cfg: cfg}
	k.section("blob_store", &cfg.BlobStore, d.BlobStores.Check)
	k.section("queue", &cfg.Queue, d.Queues.Check)
	k.section("database", &cfg.Database, d.Databases.Check)
	k.section("cache", &cfg.Cache, oneOf(d.Caches))
	k.section("vault", &cfg.Vault, oneOf(d.Vaults))
	files := make(map[string]string)
	for i := range cfg.Destinations {
		c := &cfg.Destinations[i]
		path := fmt.Sprintf("destinations[%d]", i)
		k.section(path, &config.Section{Type: c.Type, Settings: c.Settings}, d.Destinations.Check)
		k.file(files, path, d.duckFile(c))
		if c.Type == IngestOnly && cfg.Workers.Enabled {
			k.found = append(k.found, cfg.Mistake(path+".type", "%s is for nodes whose workers are off: these could not load into it", IngestOnly))
		}
	}
	return k.found
}

// oneOf checks the type of a section whose drivers have no settings.
func oneOf(known []string) func(string, *yaml.Node) error {
	return func(name string, settings *yaml.Node) error {
		if !slices.Contains(known, name) {
			return fmt.Errorf("type %q is not known: it is one of %s", name, strings.Join(known, ", "))
		}
		if len(settings.Content) > 0 {
			return fmt.Errorf("line %d: the type %s has no settings", settings.Line, name)
		}
		return nil
	}
}

// checker collects mistakes.
type checker struct {
	cfg   *config.Config
	found []config.Mistake
}

var (
	atLine = regexp.MustCompile(`^line (-?\d+): `)
	ofKey  = regexp.MustCompile(`^([a-z0-9_]+): `)
)

// section notes what check says of s, the section at path. A driver says a mistake a line, with the line of the file or
// the key where it can.
func (k *checker) section(path string, s *config.Section, check func(string, *yaml.Node) error) {
	err := check(s.Type, &s.Settings)
	if err == nil {
		return
	}
	for text := range strings.SplitSeq(err.Error(), "\n") {
		switch {
		case strings.HasPrefix(text, "type "):
			k.found = append(k.found, k.cfg.Mistake(path+".type", "%s", strings.TrimPrefix(text, "type ")))
		case atLine.MatchString(text):
			found := atLine.FindStringSubmatch(text)
			line, _ := strconv.Atoi(found[1]) // digits by the pattern
			k.found = append(k.found, k.cfg.MistakeAt(line, "%s.settings: %s", path, text[len(found[0]):]))
		case ofKey.MatchString(text):
			found := ofKey.FindStringSubmatch(text)
			k.found = append(k.found, k.cfg.Mistake(path+".settings."+found[1], "%s", text[len(found[0]):]))
		default:
			k.found = append(k.found, k.cfg.Mistake(path+".settings", "%s", text))
		}
	}
}

// duckFile gives the database file of a destination of the embedded database, empty when it has none.
func (d Drivers) duckFile(c *config.Destination) string {
	duck, ok := d.duckConfig(c)
	if !ok || duck.InMemory {
		return ""
	}
	return duck.File
}

// Fleeting reports whether all that is in the destination is lost when it is closed.
func (d Drivers) Fleeting(c *config.Destination) bool {
	duck, ok := d.duckConfig(c)
	return ok && duck.InMemory
}

// duckConfig gives the settings of a destination of the embedded database. Those with a mistake are none: the check of the
// settings has told it.
func (d Drivers) duckConfig(c *config.Destination) (duckdb.Config, bool) {
	duck := d.duckdb
	if c.Type != duckType {
		return duck, false
	}
	err := c.Settings.Decode(&duck)
	return duck, err == nil
}

// file notes that two destinations share a database file, which can be open once only.
func (k *checker) file(files map[string]string, path, file string) {
	if file == "" {
		return
	}
	if whole, err := filepath.Abs(file); err == nil {
		file = whole
	}
	if first, taken := files[file]; taken {
		k.found = append(k.found, k.cfg.Mistake(path+".settings.file", "%s is the file of %s already: give each destination its own", file, first))
		return
	}
	files[file] = path
}
