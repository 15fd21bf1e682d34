package gcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
)

// An upload that is interrupted is asked how far it has come, and goes on there.
const (
	maxPauses  = 3                      // without a byte more
	firstPause = 500 * time.Millisecond // each is twice the one before
)

// statusResume is the store's answer to a piece that is not the last.
const statusResume = http.StatusPermanentRedirect

// errDamaged says that the store has something else than what was sent.
var errDamaged = errors.New("the blob is damaged")

// session is an upload in pieces. Its object appears with the last one.
type session struct {
	store *store
	name  string
	url   string // who has it may go on with the upload
	sum   hash.Hash32
	have  int64 // bytes that the store has
}

// putPieces sends first and what else r gives, in the buffer of first. When it fails nothing is to be seen in the store.
func (s *store) putPieces(ctx context.Context, name string, first []byte, r io.Reader) (err error) {
	u, err := s.begin(ctx, name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			u.forget(ctx)
		}
	}()
	for piece, last := first, false; ; {
		_, _ = u.sum.Write(piece) // a hash takes all
		if err := u.put(ctx, piece, last); err != nil || last {
			return err
		}
		n, err := transfer.Fill(r, first)
		if last = errors.Is(err, transfer.ErrEnd); err != nil && !last {
			return err
		}
		piece = first[:n]
	}
}

// begin asks for a session.
func (s *store) begin(ctx context.Context, name string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	about, err := json.Marshal(object{Name: name})
	if err != nil {
		return nil, err
	}
	answer, err := s.do(ctx, request{method: http.MethodPost, url: s.uploads + "?uploadType=resumable&fields=name,crc32c",
		header: http.Header{"Content-Type": {"application/json"}, "X-Upload-Content-Type": {"application/octet-stream"}},
		body:   bytes.NewReader(about), length: int64(len(about))})
	if err != nil {
		return nil, err
	}
	if err := drain(answer.Body); err != nil {
		return nil, err
	}
	at := answer.Header.Get("Location")
	if at == "" {
		return nil, errors.New("the store begins an upload and does not say where")
	}
	return &session{store: s, name: name, url: at, sum: crc32.New(castagnoli())}, nil
}

// put sends the piece that follows what the store has, until it has all of it. After an interruption it asks how far the
// store has come, and goes on there.
func (u *session) put(ctx context.Context, piece []byte, last bool) error {
	start, ask := u.have, false
	for pauses := 0; ; {
		rest := piece[u.have-start:]
		have, done, err := u.say(ctx, rest, last, ask)
		switch {
		case err != nil && (pauses == maxPauses || !interruption(ctx, err)):
			return err
		case err != nil:
			if wait(ctx, u.store.pause<<pauses) != nil {
				return err
			}
			pauses++
			ask = true
			continue
		case done && last, have == start+int64(len(piece)) && !last:
			u.have = start + int64(len(piece))
			return nil
		case done, have < u.have, have > start+int64(len(piece)):
			return fmt.Errorf("the store has %d bytes of the upload and %d of it were sent: %w", have, start+int64(len(piece)), errDamaged)
		case have > u.have:
			pauses = 0
		}
		u.have, ask = have, false
	}
}

// say sends rest, what follows the bytes that the store has, or only asks. It gives the bytes that the store has then, or
// that the object is there.
func (u *session) say(ctx context.Context, rest []byte, last, ask bool) (have int64, done bool, err error) {
	w := transfer.NewWatch(ctx, u.store.stall)
	defer w.End()
	q := request{method: http.MethodPut, url: u.url, header: make(http.Header), free: true}
	span, total := "*", "*"
	if len(rest) > 0 && !ask {
		span = fmt.Sprintf("%d-%d", u.have, u.have+int64(len(rest))-1)
		q.body, q.length = w.Body(rest), int64(len(rest))
	}
	if last && !ask {
		total = strconv.FormatInt(u.have+int64(len(rest)), 10)
		q.header.Set("X-Goog-Hash", "crc32c="+crcText(u.sum.Sum32()))
	}
	q.header.Set("Content-Range", "bytes "+span+"/"+total)
	answer, err := u.store.send(w.Context(), q)
	if err != nil {
		return 0, false, w.Because(err)
	}
	switch {
	case answer.StatusCode == statusResume:
		have, err = firstMissing(answer.Header.Get("Range"))
		return have, false, errors.Join(err, w.Because(drain(answer.Body)))
	case answer.StatusCode/100 == 2:
		return 0, true, w.Because(stored(answer, u.name, crcText(u.sum.Sum32())))
	default:
		return 0, false, refused(answer)
	}
}

// firstMissing reads how far the store has come: bytes=0-42, or nothing.
func firstMissing(span string) (int64, error) {
	if span == "" {
		return 0, nil
	}
	text, ok := strings.CutPrefix(span, "bytes=0-")
	last, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || last < 0 {
		return 0, fmt.Errorf("the store says that it has %.40q of the upload: %w", span, errDamaged)
	}
	return last + 1, nil
}

// interruption reports whether an upload that failed with err may go on.
func interruption(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, errDamaged) || errors.Is(err, transfer.ErrStalled) {
		return false
	}
	status := statusOf(err)
	return status == 0 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

// wait waits, unless ctx ends before.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forget tells the store to drop the upload, also when ctx has ended. Nothing of it is to be seen anyway, and the store
// itself drops it after a week.
func (u *session) forget(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	if answer, err := u.store.send(ctx, request{method: http.MethodDelete, url: u.url, free: true}); err == nil {
		_ = drain(answer.Body) // it is of no interest
	}
}
