package query

import (
	"io"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// meter counts an answer's rows and bytes, holds them to the limits, and keeps the first error of the way out.
type meter struct {
	limits Limits
	enc    result.Writer
	rows   int64
	bytes  int64
	err    error
}

func newMeter(l Limits, f result.Format, w io.Writer) *meter {
	m := &meter{limits: l}
	m.enc = f.New(&bytesMeter{m: m, w: w})
	return m
}

func (m *meter) Begin(cols []vector.Field) error {
	return m.keep(m.enc.Begin(cols))
}

// Write refuses the batch that passes the limit as a whole: the answer is broken anyway, and a first batch that is
// refused leaves the way free for an error that says so.
func (m *meter) Write(b *vector.Batch) error {
	if m.limits.Rows > 0 && m.rows+int64(b.Rows) > m.limits.Rows {
		return m.keep(tooLarge("%d rows", m.limits.Rows))
	}
	if err := m.keep(m.enc.Write(b)); err != nil {
		return err
	}
	m.rows += int64(b.Rows)
	return nil
}

func (m *meter) End() error {
	return m.keep(m.enc.End())
}

func (m *meter) keep(err error) error {
	if m.err == nil {
		m.err = err
	}
	return err
}

// bytesMeter is where the encoded answer passes.
type bytesMeter struct {
	m *meter
	w io.Writer
}

func (b *bytesMeter) Write(p []byte) (int, error) {
	if limit := b.m.limits.Bytes; limit > 0 && b.m.bytes+int64(len(p)) > limit {
		return 0, tooLarge("%d bytes", limit)
	}
	n, err := b.w.Write(p)
	b.m.bytes += int64(n)
	return n, err
}

func tooLarge(format string, limit int64) error {
	return fault.New(fault.Unprocessable, "result_too_large", "the answer is larger than the limit of "+format, limit)
}
