package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// outRows is how many rows of 7 columns the egress figures read.
const outRows = 1_000_000

// wideSQL makes the same rows as wideBody inserts, for the engine alone.
const wideSQL = `select i::bigint as id, 'user-' || (i % 1000)::varchar as name, (i % 10007) / 4.0::double + 0.125 as score,
 make_timestamptz((1767225600 + i)::bigint * 1000000) as ts, i % 2 = 1 as ok, 'some longer text ' || (i % 100)::varchar as note,
 (i * 7919)::bigint as big from range(1000000) t(i)`

func wideBody(rows int) string {
	var b strings.Builder
	base := time.Unix(1767225600, 0).UTC()
	for i := range rows {
		fmt.Fprintf(&b, `{"id":%d,"name":"user-%d","score":%g,"ts":"%s","ok":%t,"note":"some longer text %d","big":%d}`+"\n",
			i, i%1000, float64(i%10007)/4+0.125, base.Add(time.Duration(i)*time.Second).Format(time.RFC3339), i%2 == 1, i%100, i*7919)
	}
	return b.String()
}

// formats are what answers are measured in, with the most of JSON's time that each may take; 0 is no bar. The engine's own is what
// DuckDB takes for the same in process: to_json scanned, or COPY to nowhere.
var formats = [...]struct {
	name string
	bar  float64
	own  bool // the engine has such a format
}{{"json", 0, true}, {"ndjson", 0, false}, {"csv", 1, true}, {"arrow", 0.5, false}, {"parquet", 0, true}}

// formatsOut measures 1 M rows of 7 columns out over HTTP: as JSON against the engine's own, in the other formats against JSON.
func (b *bench) formatsOut(ctx context.Context) ([]figure, error) {
	srv, stop, err := b.server(ctx, "out")
	if err != nil {
		return nil, err
	}
	status, text, err := srv.Post(ctx, srv.HTTP, "/api/data/insert/wide?ack=loaded&timeout=5m", strings.NewReader(wideBody(outRows)))
	if err != nil || status != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("insert: status %d: %s", status, text), err)
	}
	times, own := make([][]float64, len(formats)), make([][]float64, len(formats))
	var sizes [len(formats)]int64
	for range b.cfg.Rounds {
		for i, f := range formats {
			start := time.Now()
			if sizes[i], err = srv.Read(ctx, outSQL, f.name); err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			times[i] = append(times[i], seconds(start))
			if !f.own {
				continue
			}
			e, err := b.engine(ctx, f.name, "-")
			if err != nil {
				return nil, fmt.Errorf("the engine's %s: %w", f.name, err)
			}
			own[i] = append(own[i], e)
		}
	}
	return outFigures(times, own, sizes[:]), stop()
}

// outFigures compares the seconds that each format took, of which JSON is the first.
func outFigures(times, own [][]float64, sizes []int64) []figure {
	json := median(times[0])
	figures := []figure{{name: "1 M × 7 rows out as json over HTTP", got: rate(json, sizes[0]),
		against: fmt.Sprintf("to_json in process %.2f s", median(own[0])), ratio: json / median(own[0]), bar: 1.3, atMost: true}}
	for i, f := range formats[1:] {
		t, against := median(times[i+1]), fmt.Sprintf("json %.2f s", json)
		if f.own {
			against += fmt.Sprintf(", COPY %.2f s", median(own[i+1]))
		}
		figures = append(figures, figure{name: "the same as " + f.name, got: rate(t, sizes[i+1]), against: against, ratio: t / json, bar: f.bar, atMost: true})
	}
	return figures
}

// rate prints what outRows of so many bytes in so many seconds are.
func rate(t float64, size int64) string {
	return fmt.Sprintf("%.2f s, %.2f M rows/s, %.0f MB/s", t, outRows/1e6/t, float64(size)/1e6/t)
}

// outSQL asks for the rows.
const outSQL = "select id, name, score, ts, ok, note, big from wide"

// download reads the whole answer in a format and gives the seconds it took.
func download(ctx context.Context, srv *rig.Server, sql, format string) (float64, error) {
	start := time.Now()
	_, err := srv.Read(ctx, sql, format)
	return seconds(start), err
}

// selectOne measures `select 1` over a kept connection.
func (b *bench) selectOne(ctx context.Context) ([]figure, error) {
	srv, stop, err := b.server(ctx, "select-1")
	if err != nil {
		return nil, err
	}
	const warm, count = 200, 2000
	var took []float64
	for i := range warm + count {
		t, err := download(ctx, srv, "select 1", "json")
		if err != nil {
			return nil, err
		}
		if i >= warm {
			took = append(took, t*1000)
		}
	}
	slices.Sort(took)
	return []figure{{name: "select 1 over a kept connection, p50", got: fmt.Sprintf("p50 %.2f ms, p99 %.2f ms", took[count/2], took[count*99/100]),
		ratio: took[count/2], bar: 2, atMost: true, unit: " ms"}}, stop()
}

// visible measures how long a plain insert takes until a query sees it, in the default rotation.
func (b *bench) visible(ctx context.Context) ([]figure, error) {
	srv, stop, err := b.server(ctx, "visible")
	if err != nil {
		return nil, err
	}
	var took []float64
	for n := range 15 {
		start := time.Now()
		status, text, err := srv.Post(ctx, srv.HTTP, "/api/data/insert/visible", strings.NewReader(fmt.Sprintf(`{"n":%d}`, n)))
		if err != nil || status != http.StatusOK {
			return nil, errors.Join(fmt.Errorf("insert: status %d: %s", status, text), err)
		}
		if err := srv.AwaitNumber(ctx, "select count(*) from visible", int64(n+1), 5*time.Millisecond); err != nil {
			return nil, err
		}
		took = append(took, seconds(start))
	}
	m := median(took)
	return []figure{{name: "plain insert → queryable, p50", got: fmt.Sprintf("%.2f s", m), ratio: m, bar: 1.5, atMost: true, unit: " s"}}, stop()
}

// memory measures the peak memory of ingesting the events once and ten times.
func (b *bench) memory(ctx context.Context) ([]figure, error) {
	path, size, err := b.writeEvents(b.cfg.Events)
	if err != nil {
		return nil, err
	}
	once, err := b.peak(ctx, "memory-1", path, 1)
	if err != nil {
		return nil, err
	}
	ten, err := b.peak(ctx, "memory-10", path, 10)
	if err != nil {
		return nil, err
	}
	const mib = 1 << 20
	gb := float64(size) / 1e9
	growth := ten / once
	if growth < 1 {
		growth = 1 / growth
	}
	return []figure{
		{name: fmt.Sprintf("peak RSS, %.1f GB against %.1f GB", gb*10, gb), got: fmt.Sprintf("%.0f MiB", ten/mib),
			against: fmt.Sprintf("%.0f MiB", once/mib), ratio: growth, bar: 1.2, atMost: true},
		{name: fmt.Sprintf("peak RSS, %.1f GB", gb*10), got: fmt.Sprintf("%.0f MiB", ten/mib), ratio: max(once, ten) / (1 << 30), bar: 1, atMost: true, unit: " GiB"},
	}, os.Remove(path)
}

// peak ingests the file times times, waits until all of it is loaded, and gives the server's peak memory in bytes.
func (b *bench) peak(ctx context.Context, name, path string, times int) (float64, error) {
	srv, stop, err := b.server(ctx, name)
	if err != nil {
		return 0, err
	}
	for range times {
		if err := send(ctx, srv, "/api/data/insert/bulk", path); err != nil {
			return 0, err
		}
	}
	if err := srv.AwaitNumber(ctx, "select count(*) from bulk", int64(b.cfg.Events*times), 100*time.Millisecond); err != nil {
		return 0, err
	}
	rss, err := srv.PeakRSS()
	if err != nil {
		return 0, err
	}
	return float64(rss), stop()
}
