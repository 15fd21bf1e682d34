package flatten

import (
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"fmt"
	"strings"
	"testing"
	"time"
	"runtime"
)

func TestProbe(t *testing.T) {
	show := func(name string, f *Flattener, o Options, body string) {
		defer func() { if p := recover(); p != nil { fmt.Println(name, "PANIC", p) } }()
		r, err := flattenBody(f, o, strings.NewReader(body))
		out := r.out
		if len(out) > 600 { out = out[:600] }
		fmt.Printf("== %s: %v\n%s%v %v\n", name, err, out, r.seen, len(r.parts))
	}
	v, m := Options{Mode: Vertical, Table: mustTable("t")}, Options{Mode: Multitable, Table: mustTable("q.t")}
	f := New(DefaultLimits())
	show("newline in rescued", f, v, "{\"__batch\":{\"file\":[\n]}}")
	show("index", f, v, `[{"a":[1,2,3]},5]`)
	show("index", f, m, `[{"a":[1,2,3]},5]`)
	show("__row", f, m, `{"__row":{"x":{"y":1}}}`)
	show("root __row", f, Options{Mode: Multitable, Table: mustTable("__row")}, `{"x":[1,2]}`)
	f = New(DefaultLimits())
	show("leak 1", f, m, `{}`)
	show("leak 2", f, Options{Mode: Multitable, Envelope: true}, `{"data":{"x":{"y":1},"t":{"z":1}}}`)
	show("leak 3", f, m, `{"x":{"y":1},"t":{"z":1}}`)
	k, l := strings.Repeat("K", 1100), strings.Repeat("L", 1100)
	lim := DefaultLimits()
	lim.Tables = 1
	show("alias", New(lim), m, `{"`+k+`":[{"`+k+`":[{"`+l+`":1},{"y":2}]}]}`)
	l = l[:1098]+`\\`
	show("alias panic", New(DefaultLimits()), m, `{"`+k+`":[{"`+k+`":[{"`+l+`":1},{"y":2}]}]}`)
}

func TestProbeTime(t *testing.T) {
	for _, n := range []int{10_000, 20_000, 40_000} {
		b := `{` + strings.Repeat(`"a":[1],`, n) + strings.Repeat(`"z":1,`, n) + `"z":1}`
		at := time.Now()
		r, err := flattenBody(New(DefaultLimits()), Options{Mode: Vertical}, strings.NewReader(b))
		fmt.Println("fixed", n, r.rows, err, time.Since(at))
	}
	for _, n := range []int{10_000, 20_000} {
		b := `{"r":[` + strings.Repeat("1,", 9_999) + `1],` + strings.Repeat(`"z":{},`, n) + `"z":1}`
		at := time.Now()
		r, err := flattenBody(New(DefaultLimits()), Options{Mode: Vertical}, strings.NewReader(b))
		fmt.Println("empty", n, r.rows, err, time.Since(at))
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func TestProbeMemory(t *testing.T) {
	const size = 8<<20 - 100
	fill := func(part func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < size-200; i++ { b.WriteString(part(i)) }
		return b.String()
	}
	for name, body := range map[string]string{
		"names": `{` + fill(func(i int) string { return fmt.Sprintf(`"k%d":1,`, i) }) + `"z":1}`,
		"same": `{` + fill(func(i int) string { return `"k":1,` }) + `"z":1}`,
		"nulls": `{` + fill(func(i int) string { return `"":null,` }) + `"z":1}`,
		"arrays": `{` + fill(func(i int) string { return `"":[1],` }) + `"z":1}`,
		"empties": `{"a":[` + fill(func(i int) string { return `[],` }) + `0]}`,
		"long": `{"` + fill(func(i int) string { return `key` }) + `":1}`,
		"longarray": `{"` + fill(func(i int) string { return `key` }) + `":[1]}`,
		"tables": `{` + fill(func(i int) string { return fmt.Sprintf(`"t%d":{"k%d":1},`, i%100, i) }) + `"z":1}`,
		"longnames": `{` + fill(func(i int) string { return fmt.Sprintf(`"t%d":{"k%d%s":1},`, i%100, i, strings.Repeat("x",1100)) }) + `"z":1}`,
	} {
		for _, mode := range allModes {
			f := New(DefaultLimits())
			before := heap()
			at := time.Now()
			n, err := f.Flatten(strings.NewReader(body), Options{Mode: mode, Table: mustTable("t")}, ids, &sink{}, nil)
			d := time.Since(at)
			kept := heap() - before
			_, _ = f.Flatten(strings.NewReader("{}"), Options{Mode: mode, Table: mustTable("t")}, ids, &sink{}, nil)
			next := heap() - before
			fmt.Printf("%s %s: rows %d %.60v %v kept %.1f MB, after next %.1f MB\n", name, mode, n, err, d, float64(kept)/1e6, float64(next)/1e6)
			runtime.KeepAlive(f)
		}
	}
}
var ids = rowid.NewSource()
