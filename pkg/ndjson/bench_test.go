package ndjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// wide makes about size bytes of rows of about 250 bytes, each with 12 columns, and gives the columns.
func wide(size int) ([]byte, []schema.Column) {
	names := []string{"Ann Lee", "Bob Stone", "Charlie Parker", "Dorothy Vaughan", "Eve", "Frank Zappa", "Grace Hopper"}
	plans := []string{"pro", "free", "team"}
	types := []string{"click", "view", "purchase"}
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"__row_id":"01J0000000000000000%07d","id":%d,"ts":"2026-%02d-%02dT%02d:%02d:%02dZ","user_id":%d,`,
			i%10_000_000, i, i%12+1, i%28+1, i%24, i%60, i*7%60, i*7919%1000003)
		fmt.Fprintf(&b, `"user_name":"%s","user_plan":"%s","type":"%s","value":%.2f,"ok":%t,"tags_0":"%c","tags_1":"promo-%d","n":%d}`+"\n",
			names[i%7], plans[i%3], types[i%3], float64(i*31%100000)/7, i&1 == 0, "ab"[i&1], i%50, -i%1000)
	}
	return b.Bytes(), []schema.Column{
		{Name: "__row_id", Kind: schema.Text}, {Name: "__batch_file", Kind: schema.Text}, {Name: "id", Kind: schema.Int},
		{Name: "ts", Kind: schema.Timestamp}, {Name: "user_id", Kind: schema.Int}, {Name: "user_name", Kind: schema.Text},
		{Name: "user_plan", Kind: schema.Text}, {Name: "type", Kind: schema.Text}, {Name: "value", Kind: schema.Float},
		{Name: "ok", Kind: schema.Bool}, {Name: "tags_0", Kind: schema.Text}, {Name: "tags_1", Kind: schema.Text},
		{Name: "n", Kind: schema.Int},
	}
}

func BenchmarkDecoder(b *testing.B) {
	rows, cols := wide(8 << 20)
	b.SetBytes(int64(len(rows)))
	b.ReportAllocs()
	var batch Batch
	for b.Loop() {
		d := NewDecoder(bytes.NewReader(rows), cols, Options{BatchID: "01J00000000000000000000000"})
		for {
			err := d.Next(&batch, 2048)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkScan(b *testing.B) {
	rows, _ := wide(8 << 20)
	b.SetBytes(int64(len(rows)))
	b.ReportAllocs()
	for b.Loop() {
		if found, err := ScanReady(bytes.NewReader(rows)); err != nil || found.Good != int64(len(rows)) {
			b.Fatal(found, err)
		}
	}
}

// BenchmarkValid is what the others are compared with.
func BenchmarkValid(b *testing.B) {
	rows, _ := wide(8 << 20)
	b.SetBytes(int64(len(rows)))
	b.ReportAllocs()
	for b.Loop() {
		for line := range bytes.Lines(rows) {
			if !json.Valid(line) {
				b.Fatal("not valid")
			}
		}
	}
}
