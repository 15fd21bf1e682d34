package result

import (
	"io"
	"mime"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Format is a form in which an answer can be sent.
type Format struct {
	Name        string // what ?format= says
	ContentType string
	New         func(w io.Writer) Writer // encodes one answer to w
}

// Formats lists the formats; the first is the default.
func Formats() []Format {
	return []Format{
		{Name: "json", ContentType: "application/json", New: NewJSON},
		{Name: "ndjson", ContentType: "application/x-ndjson", New: NewNDJSON},
		{Name: "csv", ContentType: "text/csv; charset=utf-8", New: NewCSV},
		{Name: "arrow", ContentType: "application/vnd.apache.arrow.stream", New: NewArrow},
		{Name: "parquet", ContentType: "application/vnd.apache.parquet", New: NewParquet},
	}
}

// FormatOf gives the format called name; without a name it gives the one that the Accept header likes best. The default
// is JSON, also when accept names nothing that is known here: an answer in JSON helps more than a refusal.
func FormatOf(name, accept string) (Format, error) {
	all := Formats()
	if name == "" {
		return byAccept(all, accept), nil
	}
	var known []string
	for _, f := range all {
		if f.Name == strings.ToLower(name) {
			return f, nil
		}
		known = append(known, f.Name)
	}
	return Format{}, fault.New(fault.Invalid, "unknown_format", "unknown format %q: there are %s", name, strings.Join(known, ", "))
}

func byAccept(all []Format, accept string) Format {
	best, bestWeight := all[0], 0.0
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, ok := params["q"]; ok {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		if name := nameOfMedia(media); name != "" && weight > bestWeight {
			for _, f := range all {
				if f.Name == name {
					best, bestWeight = f, weight
				}
			}
		}
	}
	return best
}

func nameOfMedia(media string) string {
	switch media {
	case "application/json", "application/*", "*/*":
		return "json"
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return "ndjson"
	case "text/csv", "text/*":
		return "csv"
	case "application/vnd.apache.arrow.stream":
		return "arrow"
	case "application/vnd.apache.parquet":
		return "parquet"
	default:
		return ""
	}
}
