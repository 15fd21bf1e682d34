package soak

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func flat(float64) float64 { return 400 }

func TestProblems(t *testing.T) {
	bounds := Bounds{Base: 400 * mib, PerWorker: 50 * mib, Data: 1.25, Growth: 0.1}
	for _, tt := range []struct {
		name   string
		change func(r *Report)
		want   string
	}{
		{"none", func(*Report) {}, ""},
		{"too much for its workers", func(r *Report) { r.Servers[0].Peaks[0] = 451 * mib }, "1 workers took 451 MiB, and may take 450 MiB"},
		{"more workers may take more", func(r *Report) { r.Servers[0].Peaks[0], r.Servers[0].Workers = 451*mib, 2 }, ""},
		{"twice the data too much for its workers", func(r *Report) { r.Servers[0].Peaks[1] = 460 * mib }, "1 workers took 460 MiB, and may take 450 MiB"},
		{"the steady load too much for its workers", func(r *Report) { r.Servers[0].Samples[9].RSS = 470 * mib },
			"1 workers took 470 MiB, and may take 450 MiB"},
		{"in proportion to data", func(r *Report) { r.Servers[0].Peaks = []int64{200 * mib, 300 * mib, 450 * mib} },
			"3 times the data took 1.50 times the memory of 2 times, and may take 1.25"},
		{"more by chance", func(r *Report) { r.Servers[0].Peaks = []int64{200 * mib, 400 * mib, 410 * mib} }, ""},
		{"goroutines grow", func(r *Report) {
			for i := range r.Servers[0].Samples {
				r.Servers[0].Samples[i].Goroutines = 40 + i
			}
		}, "goroutines grew by 48 % in 30s"},
		{"descriptors grow", func(r *Report) {
			for i := range r.Servers[0].Samples {
				r.Servers[0].Samples[i].Descriptors = 40 + i/4
			}
		}, "descriptors grew by 35 % in 30s"},
		{"something is left", func(r *Report) { r.Servers[0].Left = []string{"2 descriptors of /x instead of 0"} },
			"after the load: 2 descriptors of /x instead of 0"},
		{"too short to tell", func(r *Report) { r.Servers[0].SteadyTo = 12 * time.Second }, "11 samples of the steady load are too few: let it last longer"},
		{"nothing was done", func(r *Report) { r.Servers = nil }, "no server was loaded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Report{Bounds: bounds, Servers: []Server{series(flat)}}
			tt.change(&r)
			got := strings.Join(r.Problems(), "; ")
			if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPrint(t *testing.T) {
	short := Server{Workers: 1, Peaks: []int64{300 * mib}}
	long := series(func(s float64) float64 { return 345 + s })
	long.Workers = 4
	var out bytes.Buffer
	Report{Servers: []Server{short, long}}.Print(&out)
	for _, want := range []string{"1 workers: peak RSS 300 MiB\n", "4 workers: peak RSS 400 MiB, of 2 times the data 410 MiB\n",
		"steady RSS: median 400 MiB, +3600.0 MiB an hour, +7.5 % in 30s\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
}

func TestWhatIsLeft(t *testing.T) {
	before := use{30, []string{"/data/control.db", "/data/control.db", "/data/data.duckdb", "/dev/null", "socket:[1]", "socket:[2]", "anon_inode:[eventpoll]"}}
	for _, tt := range []struct {
		name string
		now  use
		want string
	}{
		{"a pool's sockets", use{30, strings.Fields("socket:[1] socket:[2] socket:[3] socket:[4]")}, ""},
		{"the same", before, ""},
		{"less", use{29, before.open[:3]}, ""},
		{"other sockets", use{30, []string{"socket:[7]", "socket:[8]"}}, ""},
		{"more connections to a file of the server's", use{30, append([]string{"/data/control.db", "/data/control.db"}, before.open...)}, ""},
		{"too many of them", use{30, strings.Fields(strings.Repeat("/data/control.db ", 9))}, "9 descriptors of /data/control.db instead of 2"},
		{"a log of SQLite's since the last checkpoint", use{30, []string{"/data/control.db", "/data/control.db-wal", "/data/control.db-shm"}}, ""},
		{"a log of DuckDB's", use{30, []string{"/data/data.duckdb", "/data/data.duckdb.wal"}}, ""},
		{"the log of a database that was not open", use{30, []string{"/data/x.duckdb.wal"}}, "1 descriptors of /data/x.duckdb.wal instead of 0"},
		{"a goroutine", use{31, before.open}, "31 goroutines instead of 30"},
		{"a socket", use{30, append([]string{"socket:[3]", "socket:[4]", "socket:[5]"}, before.open...)}, "5 descriptors of socket instead of 2"},
		{"a batch", use{30, append([]string{"/data/ingest/ready/1"}, before.open...)}, "1 descriptors of /data/ingest/ready/1 instead of 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(tt.now.beyond(before, 2), "; "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestChart(t *testing.T) {
	short := series(func(s float64) float64 { return 100 + s })
	short.SteadyFrom, short.SteadyTo = 0, 0
	long := series(func(s float64) float64 { return 300 + s })
	long.Workers = 4
	for _, tt := range []struct {
		name  string
		r     Report
		lines int
		texts []string
	}{
		{"two servers", Report{Servers: []Server{short, long}}, 3, []string{"RSS, 1 workers", "RSS, 4 workers", "Go heap, 4 workers",
			"trend, +3600 MiB an hour", "400 MiB", "70", "time since the start, seconds"}},
		{"one that failed at once", Report{Servers: []Server{{Workers: 1}}}, 2, []string{"RSS, 1 workers"}},
		{"none", Report{}, 0, []string{"Memory of the server under load"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines, texts := parseSVG(t, tt.r.SVG())
			if lines != tt.lines {
				t.Errorf("got %d lines, want %d", lines, tt.lines)
			}
			for _, want := range tt.texts {
				if !strings.Contains(texts, "|"+want+"|") {
					t.Errorf("%q is not in %q", want, texts)
				}
			}
		})
	}
}

// parseSVG counts the lines over time, and gives all texts between bars.
func parseSVG(t *testing.T, svg []byte) (lines int, texts string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for texts = "|"; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return lines, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "polyline" {
				lines++
			}
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" {
				texts += text + "|"
			}
		}
	}
}

func TestAxes(t *testing.T) {
	for _, tt := range []struct{ least, want float64 }{{0.9, 1}, {1, 1}, {1.1, 2}, {4, 5}, {7, 10}, {83, 100}} {
		if got := round(tt.least); got != tt.want {
			t.Errorf("round(%v): got %v, want %v", tt.least, got, tt.want)
		}
	}
	for _, tt := range []struct {
		long time.Duration
		want string
	}{{time.Minute, "seconds"}, {time.Hour, "minutes"}, {4 * time.Hour, "hours"}} {
		if _, got := unitOf(tt.long); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.long, got, tt.want)
		}
	}
}
