package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

func TestFigureBar(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    figure
		ok   bool
	}{
		{"above a lower bar", figure{ratio: 0.6, bar: 0.5}, true},
		{"below a lower bar", figure{ratio: 0.4, bar: 0.5}, false},
		{"below an upper bar", figure{ratio: 1.2, bar: 1.3, atMost: true}, true},
		{"above an upper bar", figure{ratio: 1.4, bar: 1.3, atMost: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.f.ok() != tt.ok || strings.Contains(tt.f.row(), "MISSED") == tt.ok {
				t.Errorf("got %t: %s", tt.f.ok(), tt.f.row())
			}
		})
	}
}

// Answers are told in seconds, rows and bytes, and those in JSON are what the others are measured against.
func TestOutFigures(t *testing.T) {
	times := [][]float64{{3, 0.5, 0.25}, {1}, {0.25}, {0.2}, {1}}
	own := [][]float64{{1}, nil, {2}, nil, {4}}
	var rows []string
	for _, f := range outFigures(times, own, []int64{100e6, 90e6, 50e6, 40e6, 10e6}) {
		rows = append(rows, f.row())
	}
	got := strings.Join(rows, "\n")
	for _, want := range []string{"0.50 s, 2.00 M rows/s, 200 MB/s\tto_json in process 1.00 s\t0.50", "the same as csv\t0.25 s, 4.00 M rows/s, 200 MB/s\tjson 0.50 s, COPY 2.00 s\t0.50",
		"the same as arrow\t0.20 s, 5.00 M rows/s, 200 MB/s\tjson 0.50 s\t0.40"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestPrintFailsOnAMissedBar(t *testing.T) {
	var out bytes.Buffer
	b := &bench{out: &out}
	if err := b.print([]figure{{name: "good", ratio: 1, bar: 0.5}}); err != nil {
		t.Errorf("all bars held: %v", err)
	}
	if err := b.print([]figure{{name: "bad", ratio: 0.1, bar: 0.5}}); err == nil || !strings.Contains(err.Error(), "bad") {
		t.Errorf("a missed bar: got %v", err)
	}
}

func TestEventsAreValidAndOfTheirSize(t *testing.T) {
	total := 0
	for i := range 1000 {
		line := rig.AppendEvent(nil, i*4000)
		total += len(line)
		if !json.Valid(line) {
			t.Fatalf("event %d is not JSON: %s", i, line)
		}
	}
	if avg := total / 1000; avg < 135 || avg > 160 {
		t.Errorf("an event has %d bytes on average, want about 145", avg)
	}
}

func TestBodiesAreWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	var want bytes.Buffer
	for i := range 500 {
		want.Write(rig.AppendEvent(nil, i))
	}
	if err := os.WriteFile(path, want.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1000, 4096, want.Len(), want.Len() * 2} {
		var got bytes.Buffer
		err := bodies(path, size, func(body []byte) error {
			if len(body) == 0 || body[len(body)-1] != '\n' {
				t.Errorf("size %d: a body of %d bytes does not end a line", size, len(body))
			}
			got.Write(body)
			return nil
		})
		if err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("size %d: got %d bytes and %v, want %d", size, got.Len(), err, want.Len())
		}
	}
}

func TestReadAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		ok           bool
	}{
		{"200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", true},
		{"503", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}", false},
		{"cut", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := readAnswer(textproto.NewReader(bufio.NewReader(strings.NewReader(tt.answer))))
			if (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("got %v, want 2", got)
	}
}
