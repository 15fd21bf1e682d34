package httpapi

import (
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// coder compresses an answer.
type coder interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// codings are the content codings of answers, those that are liked best first, with coders to use again.
type codings []coding

type coding struct {
	name string
	pool *sync.Pool // of coder
}

// zstdWindow is how far back an answer's coder looks: it bounds the memory of both ends.
const zstdWindow = 1 << 20

func newCodings() codings {
	return codings{
		{"zstd", &sync.Pool{New: func() any {
			z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow),
				zstd.WithEncoderLevel(zstd.SpeedFastest)) // fails on bad options only
			return coder(z)
		}}},
		{"gzip", &sync.Pool{New: func() any {
			z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails on a bad level only
			return coder(z)
		}}},
	}
}

// choose gives the coding that an Accept-Encoding header likes best. ok is false when the answer is to go as it is.
func (all codings) choose(accept string) (best coding, ok bool) {
	if accept == "" {
		return best, false
	}
	most := weightOf(accept, "identity")
	for _, c := range all {
		if w := weightOf(accept, c.name); w > 0 && (w > most || !ok && w == most) {
			best, ok, most = c, true, w
		}
	}
	return best, ok
}

// weightOf gives the weight of a coding in an Accept-Encoding header: 0 when it is not there or not wanted.
func weightOf(accept, name string) float64 {
	for part := range strings.SplitSeq(accept, ",") {
		token, params, _ := strings.Cut(part, ";")
		if token = strings.TrimSpace(token); !strings.EqualFold(token, name) && !(name == "gzip" && strings.EqualFold(token, "x-gzip")) {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !found {
			return 1
		}
		w, err := strconv.ParseFloat(q, 64)
		if err != nil || w < 0 {
			return 0
		}
		return w
	}
	return 0
}

// take gives a coder that writes to w.
func (c coding) take(w io.Writer) coder {
	z, _ := c.pool.Get().(coder)
	z.Reset(w)
	return z
}

// put gives a coder back, whatever state it is in.
func (c coding) put(z coder) {
	z.Reset(nil)
	c.pool.Put(z)
}
