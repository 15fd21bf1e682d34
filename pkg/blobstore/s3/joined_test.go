package s3

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// A store that crashed when it joined the parts says, when it is asked again, that it is done.
func TestPartsAreJoinedIndeed(t *testing.T) {
	const size = 20 << 20
	for _, tt := range []struct {
		name   string
		crash  bool
		status int // of the blob then
		length int
		etag   string
		want   string // in the error
	}{
		{"at once", false, http.StatusNotFound, 0, "", ""},
		{"before the crash", true, http.StatusOK, size, `"tag-3"`, ""},
		{"the tag comes without quotes", true, http.StatusOK, size, "tag-3", ""},
		{"no", true, http.StatusNotFound, 0, "", "see whether the store has the blob"},
		{"an earlier blob is there", true, http.StatusOK, size, `"other-3"`, "has another"},
		{"a shorter blob is there", true, http.StatusOK, size - 1, `"tag-3"`, "has another"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // the client waits between its tries
			var joins, aborts atomic.Int32
			s := answering(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
					fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
				case r.Method == http.MethodPut:
					_, _ = io.Copy(io.Discard, r.Body) // the client sees what fails
					w.Header().Set("ETag", `"part"`)
				case r.Method == http.MethodPost && joins.Add(1) == 1 && tt.crash:
					panic(http.ErrAbortHandler)
				case r.Method == http.MethodPost:
					fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"tag-3"</ETag></CompleteMultipartUploadResult>`)
				case r.Method == http.MethodHead:
					w.Header().Set("ETag", tt.etag)
					w.Header().Set("Content-Length", fmt.Sprint(tt.length))
					w.WriteHeader(tt.status)
				case r.Method == http.MethodDelete:
					aborts.Add(1)
					w.WriteHeader(http.StatusNoContent)
				}
			})
			err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if got := aborts.Load() > 0; got != (err != nil) {
				t.Errorf("got the parts removed: %t, with the error %v", got, err)
			}
		})
	}
}

// Something between us and the store may end its answer well before it is done: S3 says 200 at once, and sends blanks until
// the parts are joined.
func TestAnswersThatDoNotShowTheBlob(t *testing.T) {
	const declared = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n   "
	for name, answer := range map[string]http.HandlerFunc{
		"empty":                             func(http.ResponseWriter, *http.Request) {},
		"blanks":                            func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "     ") },
		"blanks, ended by the connection":   func(w http.ResponseWriter, _ *http.Request) { raw(w, "HTTP/1.0 200 OK\r\n\r\n"+declared) },
		"the declaration of XML and blanks": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, declared) },
		"no tag":                            func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<CompleteMultipartUploadResult/>") },
		"an empty tag": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", "")
			fmt.Fprint(w, "<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>")
		},
	} {
		for _, size := range []int64{1000, 9 << 20} { // in one request, and in parts
			for _, there := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, %d bytes, there %t", name, size, there), func(t *testing.T) {
					var heads atomic.Int32
					s := answering(t, func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body) // the client sees what fails
						switch query := r.URL.Query(); {
						case query.Has("uploads"):
							fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
						case query.Has("partNumber"):
							w.Header().Set("ETag", `"part"`)
						case r.Method == http.MethodPut, r.Method == http.MethodPost:
							answer(w, r)
						case r.Method == http.MethodHead && there:
							heads.Add(1)
							w.Header().Set("Content-Length", fmt.Sprint(size))
						case r.Method == http.MethodHead:
							heads.Add(1)
							w.WriteHeader(http.StatusNotFound)
						}
					})
					err := s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size})
					if (err == nil) != there || err != nil && !fault.Retryable(err) {
						t.Errorf("got %v, want it fine %t, and else to be tried again", err, there)
					}
					if n := heads.Load(); n != 1 {
						t.Errorf("the blob was looked for %d times, want once", n)
					}
				})
			}
		}
	}
}
