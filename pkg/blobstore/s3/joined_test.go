package s3

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
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
		{"no", true, http.StatusNotFound, 0, "", "see whether the parts were joined"},
		{"an earlier blob is there", true, http.StatusOK, size, `"other-3"`, "another blob"},
		{"a shorter blob is there", true, http.StatusOK, size - 1, `"tag-3"`, "another blob"},
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
