package flatten

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// events makes about size bytes of nested events, one a line.
func events(size int) []byte {
	names := []string{"Ann Lee", "Bob Stone", "Charlie Parker", "Dorothy Vaughan", "Eve", "Frank Zappa", "Grace Hopper"}
	plans := []string{"pro", "free", "team"}
	types := []string{"click", "view", "purchase"}
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"id":%d,"ts":"2026-%02d-%02dT%02d:%02d:%02dZ","user":{"id":%d,"name":"%s","plan":"%s"},`,
			i, i%12+1, i%28+1, i%24, i%60, i*7%60, i*7919%1000003, names[i%7], plans[i%3])
		fmt.Fprintf(&b, `"type":"%s","value":%.2f,"ok":%t,"tags":["%c","promo-%d"]}`+"\n",
			types[i%3], float64(i*31%100000)/7, i&1 == 0, "ab"[i&1], i%50)
	}
	return b.Bytes()
}

// sink counts what is written.
type sink struct{ bytes, writes int }

func (s *sink) Write(b []byte) (int, error) {
	s.bytes += len(b)
	s.writes++
	return len(b), nil
}

func benchmark(b *testing.B, o Options, body []byte) {
	f, ids, r := New(DefaultLimits()), rowid.NewSource(), bytes.NewReader(body)
	var out sink
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(body)
		if _, err := f.Flatten(struct{ io.Reader }{r}, o, ids, &out, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFlatten(b *testing.B) {
	body := events(8 << 20)
	b.Run("events", func(b *testing.B) { benchmark(b, Options{}, body) })
	b.Run("one", func(b *testing.B) { benchmark(b, Options{}, body[:bytes.IndexByte(body, '\n')]) })
	flat := bytes.Repeat([]byte(`{"id":12345,"name":"Grace Hopper","email":"grace@example.org","ok":true,"n":null,"city":"Zürich","score":12.5}`+"\n"), 1<<16)
	b.Run("flat", func(b *testing.B) { benchmark(b, Options{}, flat) })
	var pretty bytes.Buffer
	for line := range bytes.Lines(body[:1<<20]) {
		if json.Indent(&pretty, line, "", "  ") != nil {
			break
		}
	}
	end := bytes.LastIndex(pretty.Bytes(), []byte("\n{"))
	b.Run("pretty", func(b *testing.B) { benchmark(b, Options{}, pretty.Bytes()[:end]) })
	long := bytes.Repeat([]byte(`{"text":"`+string(bytes.Repeat([]byte("all work and no play "), 200))+`"}`+"\n"), 1<<10)
	b.Run("texts", func(b *testing.B) { benchmark(b, Options{}, long) })
}

func BenchmarkModes(b *testing.B) {
	body := events(8 << 20)
	for _, mode := range allModes {
		b.Run(mode.String(), func(b *testing.B) { benchmark(b, Options{Mode: mode, Table: mustTable("events")}, body) })
	}
}

func BenchmarkValid(b *testing.B) {
	body := events(8 << 20)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		for line := range bytes.Lines(body) {
			if !json.Valid(line) {
				b.Fatal("not valid")
			}
		}
	}
}
