package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/scratchdata/scratchdata"

// floors says how high each package is. An import goes down, strictly. A new package needs a place here.
var floors = map[string]int{
	"pkg/durable": 0, "pkg/fault": 0, "pkg/loopback": 0, "pkg/secret": 0, "pkg/spelling": 0, "pkg/sqltext": 0, "pkg/vector": 0,

	"api": 1, "pkg/calls": 1, "pkg/fault/faulttest": 1, "pkg/registry": 1, "pkg/rowid": 1, "pkg/schema": 1, "pkg/servertest": 1,

	"pkg/config": 2, "pkg/flatten": 2, "pkg/ndjson": 2, "pkg/result": 2,

	"pkg/blobstore": 3, "pkg/blobstore/transfer": 3, "pkg/control": 3, "pkg/destination": 3, "pkg/postgrest": 3, "pkg/queue": 3,

	"pkg/blobstore/blobstoretest": 4, "pkg/blobstore/fileserver": 4, "pkg/control/controltest": 4, "pkg/control/idlist": 4,
	"pkg/destination/destinationtest": 4, "pkg/pgcommit": 4, "pkg/queue/polling": 4, "pkg/queue/queuetest": 4, "pkg/sqlitedb": 4,

	"pkg/blobstore/fileserver/fileservertest": 5, "pkg/blobstore/ftp": 5, "pkg/blobstore/gcs": 5, "pkg/blobstore/local": 5,
	"pkg/blobstore/memory": 5, "pkg/blobstore/s3": 5, "pkg/blobstore/sftp": 5,
	"pkg/control/postgres": 5, "pkg/control/sqlite": 5, "pkg/destination/clickhouse": 5, "pkg/destination/duckdb": 5,
	"pkg/destination/ingestonly": 5, "pkg/queue/local": 5, "pkg/queue/memory": 5, "pkg/queue/postgres": 5,
	"pkg/queue/rabbitmq": 5, "pkg/queue/redis": 5, "pkg/queue/spill": 5, "pkg/queue/sqs": 5,

	"pkg/account": 6, "pkg/catalog": 6, "pkg/health": 6, "pkg/ingest": 6, "pkg/transport/transporttest": 6,

	"pkg/query": 7, "pkg/tables": 7, "pkg/transport": 7,

	"pkg/copier": 8, "pkg/named": 8, "pkg/share": 8,

	"pkg/httpapi": 9,

	"pkg/builtin": 10, "pkg/rig": 10,

	"pkg/app": 11, "pkg/bench": 11, "pkg/soak": 11, "pkg/torture": 11,

	"pkg/cli": 12,

	"pkg/endtoend": 13,

	".": 13,
}

// homes says which packages alone may import what begins with a path. The bench has the HTTP stack and the engine too,
// because it measures the program against them.
var homes = map[string][]string{
	"github.com/apache/arrow-go/": {"pkg/result"},
	"github.com/aws/":             {"pkg/blobstore/s3", "pkg/queue/sqs", "pkg/vault/aws", "pkg/destination/redshift"},

	"github.com/go-chi/":     {"pkg/httpapi", "pkg/dashboard", "pkg/bench"},
	"github.com/duckdb/":     {"pkg/destination/duckdb", "pkg/bench"},
	"github.com/ClickHouse/": {"pkg/destination/clickhouse"},
	"modernc.org/sqlite":     {"pkg/sqlitedb"},

	"github.com/jlaffaye/":   {"pkg/servertest", "pkg/blobstore/ftp"},
	"github.com/pkg/sftp":    {"pkg/servertest", "pkg/blobstore/sftp"},
	"golang.org/x/crypto/":   {"pkg/servertest", "pkg/blobstore/sftp"},
	"github.com/jackc/":      {"pkg/servertest", "pkg/pgcommit", "pkg/queue/postgres", "pkg/control/postgres"},
	"maragu.dev/goqite":      {"pkg/queue/local"},
	"github.com/alecthomas/": {"pkg/cli"},
	"gopkg.in/yaml.v3":       {"api", "pkg/registry", "pkg/config", "pkg/builtin"},
}

// drawers are names that say nothing of what is in a package.
var drawers = []string{"util", "utils", "common", "models", "types", "helpers", "core"}

// source is one package's files, without its tests.
type source struct {
	dir     string // below the module, with slashes
	name    string
	comment bool
	imports map[string]token.Position
	inits   []token.Position
}

func TestLayers(t *testing.T) {
	packages := readModule(t, filepath.Join("..", ".."))
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		p := packages[dir]
		for _, problem := range p.problems() {
			t.Error(problem)
		}
	}
	if len(packages) < 20 {
		t.Errorf("found %d packages: the module was not read", len(packages))
	}
}

// problems says what is wrong with a package.
func (p *source) problems() []string {
	var found []string
	floor, known := floors[p.dir]
	if !known {
		found = append(found, p.dir+": has no floor: give it one")
	}
	if slices.Contains(drawers, p.name) || slices.Contains(drawers, path.Base(p.dir)) {
		found = append(found, p.dir+": the name does not say what is in it")
	}
	if !p.comment {
		found = append(found, p.dir+": has no package comment")
	}
	for _, at := range p.inits {
		found = append(found, at.String()+": init: make it a call of somebody")
	}
	for _, imported := range slices.Sorted(maps.Keys(p.imports)) {
		at := p.imports[imported].String() + ": imports " + imported
		for prefix, only := range homes {
			if strings.HasPrefix(imported, prefix) && !slices.Contains(only, p.dir) {
				found = append(found, at+", which belongs into "+strings.Join(only, ", "))
			}
		}
		if imported != module && !strings.HasPrefix(imported, module+"/") {
			continue
		}
		dir := strings.TrimPrefix(imported, module+"/")
		below, ok := floors[dir]
		if !ok {
			found = append(found, at+", which has no floor")
		} else if known && below >= floor {
			found = append(found, at+" on floor "+strconv.Itoa(below)+", not below its own, "+strconv.Itoa(floor))
		}
	}
	return found
}

// readModule parses every package below root.
func readModule(t *testing.T, root string) map[string]*source {
	t.Helper()
	packages := make(map[string]*source)
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			base := d.Name()
			if base == "testdata" || base == "data" || base == "dist" || strings.HasPrefix(base, ".") && base != ".." {
				return filepath.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		return readFile(files, name, filepath.ToSlash(dir), packages)
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func readFile(files *token.FileSet, name, dir string, packages map[string]*source) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	p := packages[dir]
	if p == nil {
		p = &source{dir: dir, name: f.Name.Name, imports: make(map[string]token.Position)}
		packages[dir] = p
	}
	p.comment = p.comment || f.Doc != nil
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		p.imports[imported] = files.Position(spec.Pos())
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			p.inits = append(p.inits, files.Position(fn.Pos()))
		}
	}
	return nil
}

func TestLayersFindWhatIsWrong(t *testing.T) {
	at := func(imports ...string) map[string]token.Position {
		m := make(map[string]token.Position)
		for _, i := range imports {
			m[i] = token.Position{Filename: "f.go", Line: 1}
		}
		return m
	}
	for _, tt := range []struct {
		name string
		p    source
		want string
	}{
		{"down", source{dir: "pkg/query", name: "query", comment: true, imports: at(module+"/pkg/fault", "fmt")}, ""},
		{"up", source{dir: "pkg/fault", name: "fault", comment: true, imports: at(module + "/pkg/query")},
			"f.go:1: imports " + module + "/pkg/query on floor 7, not below its own, 0"},
		{"sideways", source{dir: "pkg/query", name: "query", comment: true, imports: at(module + "/pkg/transport")},
			"f.go:1: imports " + module + "/pkg/transport on floor 7, not below its own, 7"},
		{"unknown", source{dir: "pkg/new", name: "new", comment: true}, "pkg/new: has no floor: give it one"},
		{"of an unknown", source{dir: "pkg/query", name: "query", comment: true, imports: at(module + "/pkg/new")},
			"f.go:1: imports " + module + "/pkg/new, which has no floor"},
		{"drawer", source{dir: "pkg/query", name: "helpers", comment: true}, "pkg/query: the name does not say what is in it"},
		{"no comment", source{dir: "pkg/query", name: "query"}, "pkg/query: has no package comment"},
		{"init", source{dir: "pkg/query", name: "query", comment: true, inits: []token.Position{{Filename: "f.go", Line: 2}}},
			"f.go:2: init: make it a call of somebody"},
		{"not at home", source{dir: "pkg/query", name: "query", comment: true, imports: at("github.com/aws/aws-sdk-go-v2/aws")},
			"f.go:1: imports github.com/aws/aws-sdk-go-v2/aws, which belongs into pkg/blobstore/s3, pkg/queue/sqs, pkg/vault/aws, pkg/destination/redshift"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(tt.p.problems(), "\n"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
