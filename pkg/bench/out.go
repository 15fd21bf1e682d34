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

// outRows is how many rows of 7 columns the egress figure reads.
const outRows = 1_000_000

// wideSQL makes the same rows as wideBody inserts, for the engine alone.
const wideSQL = `select i::bigint as id, 'user-' || (i % 1000)::varchar as name, (i % 10007) / 4.0::double + 0.125 as score,
 make_timestamptz((1767225600 + i)::bigint * 1000000) as ts, i % 2 = 1 as ok, 'some longer text ' || (i % 100)::varchar as note,
 (i * 7919)::bigint as big from range(1000000) t(i)`

func wideBody() string {
	var b strings.Builder
	base := time.Unix(1767225600, 0).UTC()
	for i := range outRows {
		fmt.Fprintf(&b, `{"id":%d,"name":"user-%d","score":%g,"ts":"%s","ok":%t,"note":"some longer text %d","big":%d}`+"\n",
			i, i%1000, float64(i%10007)/4+0.125, base.Add(time.Duration(i)*time.Second).Format(time.RFC3339), i%2 == 1, i%100, i*7919)
	}
	return b.String()
}

// formats are what answers are measured in, with the most of JSON's time that each may take; 0 is no bar.
var formats = [...]struct {
	name string
	bar  float64
}{{"ndjson", 0}, {"csv", 1}, {"arrow", 0.5}, {"parquet", 0}}

// formatsOut measures 1 M rows of 7 columns out over HTTP: as JSON against DuckDB's to_json of such rows, scanned in process, and
// in the other formats against JSON.
func (b *bench) formatsOut(ctx context.Context) ([]figure, error) {
	srv, stop, err := b.server(ctx, "out")
	if err != nil {
		return nil, err
	}
	status, text, err := srv.Post(ctx, srv.HTTP, "/api/data/insert/wide?ack=loaded&timeout=5m", strings.NewReader(wideBody()))
	if err != nil || status != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("insert: status %d: %s", status, text), err)
	}
	var ours, engine []float64
	others := make([][]float64, len(formats))
	for range b.cfg.Rounds {
		o, err := download(ctx, srv, outSQL, "json")
		if err != nil {
			return nil, err
		}
		e, err := b.engine(ctx, "json", "-")
		if err != nil {
			return nil, err
		}
		ours, engine = append(ours, o), append(engine, e)
		for i, f := range formats {
			t, err := download(ctx, srv, outSQL, f.name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			others[i] = append(others[i], t)
		}
	}
	o, e := median(ours), median(engine)
	figures := []figure{{name: "1 M × 7 rows out as json over HTTP", got: fmt.Sprintf("%.2f s", o),
		against: fmt.Sprintf("to_json in process %.2f s", e), ratio: o / e, bar: 1.3, atMost: true}}
	for i, f := range formats {
		figures = append(figures, figure{name: "the same as " + f.name, got: fmt.Sprintf("%.2f s", median(others[i])),
			against: fmt.Sprintf("json %.2f s", o), ratio: median(others[i]) / o, bar: f.bar, atMost: true})
	}
	return figures, stop()
}

// outSQL asks for the rows.
const outSQL = "select id, name, score, ts, ok, note, big from wide"

// download reads the whole answer in a format and gives the seconds it took.
func download(ctx context.Context, srv *rig.Server, sql, format string) (float64, error) {
	start := time.Now()
	err := srv.Read(ctx, sql, format)
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
