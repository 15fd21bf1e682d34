package httpapi

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"html/template"
	"io"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
)

//go:embed share.html
var sharePage string

// sharePageTemplate is parsed once; it never changes.
var sharePageTemplate = template.Must(template.New("share").Parse(sharePage))

// sharePageData is what the page shows.
type sharePageData struct {
	Name    string
	Expires string
	Links   []shareLink
	Head    []string
	Rows    [][]string
	More    bool   // there are more rows
	Trouble string // why there is no preview
}

type shareLink struct{ Format, URL string }

// Bounds of the page's preview.
const (
	previewRows  = 20
	previewBytes = 1 << 20
	previewCell  = 200 // characters
)

// showShare answers with a page about a share: plain HTML that needs nothing else.
func (s *Server) showShare(w http.ResponseWriter, r *http.Request) error {
	of, args, err := s.deps.Shares.Open(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	page := sharePageData{Name: of.Name, Expires: of.Expires.UTC().Format(time.RFC1123)}
	for _, f := range result.Formats() {
		page.Links = append(page.Links, shareLink{f.Name, "/share/" + of.ID + "/data." + f.Name})
	}
	if err := s.preview(r, &page, asking{destination: of.Destination, sql: of.Query, args: args}); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := sharePageTemplate.Execute(&out, page); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer") // the address is the secret
	_, err = w.Write(out.Bytes())
	return err
}

// preview reads the first rows of a share's answer. A mistake of its query is shown, as is an answer too large for a page.
func (s *Server) preview(r *http.Request, page *sharePageData, a asking) error {
	csvFormat, err := result.FormatOf("csv", "")
	if err != nil {
		return err
	}
	var text capped
	_, err = s.deps.Query.Run(r.Context(), a.destination, query.First(a.sql, previewRows+1), a.args, csvFormat, &text)
	switch {
	case text.full:
		page.Trouble = "The rows are too large to be shown here."
		return nil
	case fault.Of(err) == fault.Invalid:
		page.Trouble = fault.TextOf(err)
		return nil
	case err != nil:
		return err
	}
	rows, err := csvRows(text.Bytes())
	if err != nil || len(rows) == 0 {
		return errors.Join(errors.New("read a preview"), err)
	}
	page.Head, page.Rows = rows[0], rows[1:]
	if page.More = len(page.Rows) > previewRows; page.More {
		page.Rows = page.Rows[:previewRows]
	}
	for _, row := range page.Rows {
		for i := range row {
			row[i] = shortened(row[i])
		}
	}
	return nil
}

// csvRows reads rows that were written here. The library's reader skips empty lines, which are rows whose only value is NULL.
func csvRows(text []byte) (rows [][]string, err error) {
	reader := csv.NewReader(bytes.NewReader(text))
	for {
		for rest := text[reader.InputOffset():]; bytes.HasPrefix(rest, []byte("\r\n")); rest = rest[2:] {
			rows = append(rows, []string{""})
		}
		row, err := reader.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

func shortened(text string) string {
	n := 0
	for i := range text {
		if n == previewCell {
			return text[:i] + "…"
		}
		n++
	}
	return text
}

// capped is a buffer that takes no more than a page's preview may have.
type capped struct {
	bytes.Buffer
	full bool
}

var errFull = errors.New("the preview is full")

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > previewBytes {
		c.full = true
		return 0, errFull
	}
	return c.Buffer.Write(p)
}
