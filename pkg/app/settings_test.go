package app

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/httpapi"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// What the configuration says by default is what each part would do by default.
func TestDefaultsAgree(t *testing.T) {
	c := config.Default()
	in, wantIn := ingestConfig(c), ingest.DefaultConfig()
	in.Dir, wantIn.Dir, in.Per, wantIn.Per = "", "", nil, nil
	work, wantWork := workersConfig(c), transport.DefaultWorkersConfig()
	work.Dir, wantWork.Dir = "", ""
	limits, own := queryLimits(c)
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"ingest", in, wantIn},
		{"workers", work, wantWork},
		{"query", limits, query.DefaultLimits()},
		{"query by destination", own, map[string]query.Limits{}},
		{"api", apiConfig(c), httpapi.DefaultConfig()},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s\n got %+v\nwant %+v", tt.name, tt.got, tt.want)
		}
	}
}

// Every setting reaches its part: changing any field of the configuration changes what the part is told.
func TestSettingsReachTheirPart(t *testing.T) {
	c := config.Default()
	c.DataDir = "/d"
	c.Uploads = config.Uploads{MaxFileSize: 1, MaxFileAge: 2 * time.Second, MaxRows: 3, FreeSpaceRequired: 4, InlineSize: 5, Memory: 6, OpenFiles: 7}
	c.Limits = config.Limits{BodyBytes: 8, DecodedBytes: 9, RowBytes: 10, Depth: 11, Columns: 12}
	c.Workers = config.Workers{Count: 13, Lease: 14, MaxAttempts: 15, FreeSpaceRequired: 16, Copies: 31}
	c.Query = config.Query{Timeout: 17, Concurrent: 18, MaxRows: 19, MaxBytes: 20}
	c.API = config.API{ReadOnly: true, HealthcheckFailFile: "f", CORSOrigins: []string{"o"}}
	c.Timeouts = config.Timeouts{Read: 21, Write: 22}
	c.Destinations = []config.Destination{
		{ID: "a", APIKeys: []secret.String{"k1", "k2"}, MaxFileSize: 23, MaxFileAge: 24, MaxRows: 25},
		{ID: "b", APIKeys: []secret.String{"k3"}, Query: config.Query{Timeout: 26, Concurrent: 27, MaxRows: 28, MaxBytes: 29}},
		{ID: "c", Query: config.Query{MaxRows: 30}},
	}
	in := ingestConfig(c)
	if in.Dir != filepath.Join("/d", "ingest") || in.MaxBytes != 1 || in.MaxAge != 2*time.Second || in.MaxRows != 3 || in.FreeSpace != 4 ||
		in.Inline != 5 || in.Memory != 6 || in.OpenFiles != 7 || in.Limits.RowBytes != 10 || in.Limits.Depth != 11 || in.Limits.Columns != 12 {
		t.Errorf("ingest: got %+v", in)
	}
	if want := map[string]ingest.Rotation{"a": {MaxBytes: 23, MaxAge: 24, MaxRows: 25}, "b": {}, "c": {}}; !reflect.DeepEqual(in.Per, want) {
		t.Errorf("ingest by destination: got %+v, want %+v", in.Per, want)
	}
	if w := workersConfig(c); w.Count != 13 || w.Lease != 14 || w.MaxAttempts != 15 || w.FreeSpace != 16 || w.Dir != "/d" {
		t.Errorf("workers: got %+v", w)
	}
	if w := copierConfig(c); w.Concurrent != 31 || w.RowBytes != 2*10 || w.Lease != copyLease || w.Every != copyEvery || w.Validate() != nil {
		t.Errorf("copies: got %+v, %v", w, w.Validate())
	}
	limits, own := queryLimits(c)
	if want := (query.Limits{Timeout: 17, Concurrent: 18, Rows: 19, Bytes: 20}); limits != want {
		t.Errorf("query: got %+v, want %+v", limits, want)
	}
	if want := map[string]query.Limits{"b": {Timeout: 26, Concurrent: 27, Rows: 28, Bytes: 29}, "c": {Timeout: 17, Concurrent: 18, Rows: 30, Bytes: 20}}; !reflect.DeepEqual(own, want) {
		t.Errorf("query by destination: got %+v, want %+v", own, want)
	}
	if a := apiConfig(c); !a.ReadOnly || a.FailFile != "f" || a.CORSOrigins[0] != "o" || a.MaxBody != 8 || a.MaxDecoded != 9 ||
		a.ReadTimeout != 21 || a.WriteTimeout != 22 {
		t.Errorf("api: got %+v", a)
	}
	if got, want := keysOf(c), map[secret.String]string{"k1": "a", "k2": "a", "k3": "b"}; !reflect.DeepEqual(got, want) {
		t.Errorf("keys: got %d of them, want %d", len(got), len(want))
	}
}

func TestLoadGivesAllMistakesTogether(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c.yaml")
	text := "queue: {type: kafka}\napi: {prot: 1}\ndestinations:\n- {id: 1, api_keys: [k], type: duckdb, settings: {colour: red}}\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(name, []string{"SCRATCH_WORKERS_COUNT=0"})
	var m *config.Mistakes
	if !errors.As(err, &m) {
		t.Fatalf("got %v, want mistakes", err)
	}
	var got []string
	for _, one := range m.List {
		got = append(got, one.String())
	}
	want := []string{
		`line 1: queue.type: "kafka" is not known: it is one of local, memory, postgres, rabbitmq, redis, sqs`,
		`line 2: api.prot: unknown key; did you mean port?`,
		`line 4: destinations[0].settings: field colour is not a known key`,
		`SCRATCH_WORKERS_COUNT: workers.count: 0 is less than 1`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("mistakes\n got %q\nwant %q", got, want)
	}
	if _, err := Load(name+".none", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: got %v, want %v", err, os.ErrNotExist)
	}
}

// A destination takes copies from where its copy_from says, from everywhere when it says nothing; one that is not there takes none.
func TestMayCopy(t *testing.T) {
	s := &server{cfg: config.Config{Destinations: []config.Destination{
		{ID: "open"}, {ID: "closed", CopyFrom: []string{}}, {ID: "all", CopyFrom: []string{"*"}}, {ID: "some", CopyFrom: []string{"open", "all"}},
	}}}
	for _, tt := range []struct {
		source, destination string
		want                bool
	}{
		{"open", "open", true}, {"closed", "open", true}, {"open", "closed", false}, {"all", "closed", false},
		{"closed", "all", true}, {"open", "some", true}, {"all", "some", true}, {"closed", "some", false},
		{"open", "none", false}, {"open", "", false}, {"none", "open", true}, {"*", "some", false},
	} {
		if got := s.mayCopy(tt.source, tt.destination); got != tt.want {
			t.Errorf("from %q to %q: got %t, want %t", tt.source, tt.destination, got, tt.want)
		}
	}
	s.current.Store(&[]config.Destination{{ID: "open", CopyFrom: []string{}}, {ID: "new"}})
	if s.mayCopy("closed", "open") || !s.mayCopy("open", "new") || s.mayCopy("open", "all") {
		t.Error("after a reload the destinations of before are asked")
	}
}

// The batches of a copy are as large as those of inserts into its destination.
func TestBatchSizeOfCopies(t *testing.T) {
	s := &server{cfg: config.Config{Uploads: config.Uploads{MaxFileSize: 100, MaxRows: 10}, Destinations: []config.Destination{
		{ID: "usual"}, {ID: "own", MaxFileSize: 200, MaxRows: 20}, {ID: "rows", MaxRows: 5},
	}}}
	for id, want := range map[string][2]int64{"usual": {100, 10}, "own": {200, 20}, "rows": {100, 5}, "gone": {100, 10}} {
		if bytes, rows := s.batchSize(id); bytes != want[0] || rows != want[1] {
			t.Errorf("%s: got %d bytes and %d rows, want %v", id, bytes, rows, want)
		}
	}
}
