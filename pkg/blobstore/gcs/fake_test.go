package gcs

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fake is a strict bucket "b" of Google Cloud Storage: what Google's documents do not allow is a mistake of the test.
type fake struct {
	*httptest.Server
	t      *testing.T
	login  *login                                               // who asks for tokens; nil: no token is wanted, and none may be sent
	before func(w http.ResponseWriter, r *http.Request) bool    // answers in the store's place when it gives true
	keep   func(start int64, piece []byte) (kept int, cut bool) // what is kept of a piece, and whether its answer is lost

	mu       sync.Mutex
	objects  map[string][]byte // guarded by mu
	sessions map[string]*upload
	damage   string // guarded by mu; the sum that the next download says it has
}

// upload is one that has begun.
type upload struct {
	name string
	have []byte
	done bool
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, objects: make(map[string][]byte), sessions: make(map[string]*upload)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /storage/v1/b/{bucket}/o", f.list)
	mux.HandleFunc("GET /storage/v1/b/{bucket}/o/{name}", f.get)
	mux.HandleFunc("DELETE /storage/v1/b/{bucket}/o/{name}", f.remove)
	mux.HandleFunc("POST /upload/storage/v1/b/{bucket}/o", f.upload)
	mux.HandleFunc("PUT /session/{id}", f.piece)
	mux.HandleFunc("DELETE /session/{id}", f.forget)
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) { f.login.token(w, r) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		f.t.Errorf("%s %s is nothing that the store knows", r.Method, r.URL)
		fail(w, 400, "invalid", "no such method")
	})
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.before != nil && f.before(w, r) {
			return
		}
		if f.allowed(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// allowed looks at the token and the bucket.
func (f *fake) allowed(w http.ResponseWriter, r *http.Request) bool {
	token := r.Header.Get("Authorization")
	switch {
	case r.URL.Path == "/token":
		return true
	case strings.HasPrefix(r.URL.Path, "/session/"): // the URL is enough
		return true
	case f.login == nil && token != "":
		f.t.Errorf("%s %s is sent with a token", r.Method, r.URL)
	case f.login != nil && token != "Bearer "+f.login.access:
		fail(w, 401, "authError", "Invalid Credentials")
		return false
	}
	if !strings.Contains(r.URL.Path, "/storage/v1/b/b/o") {
		fail(w, 404, "notFound", "The specified bucket does not exist.")
		return false
	}
	return true
}

func fail(w http.ResponseWriter, status int, reason, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":%q,"errors":[{"message":%q,"domain":"global","reason":%q}]}}`,
		status, text, text, reason) // the client reads it
}

// only allows these parameters in a request.
func (f *fake) only(r *http.Request, names ...string) {
	for name := range r.URL.Query() {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
			f.t.Errorf("%s %s has a parameter %s", r.Method, r.URL, name)
		}
	}
}

func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	f.only(r, "maxResults", "prefix", "fields")
	_, _ = io.WriteString(w, "{}") // the client reads it
}

func (f *fake) get(w http.ResponseWriter, r *http.Request) {
	f.only(r, "alt")
	f.mu.Lock()
	blob, ok := f.objects[r.PathValue("name")]
	sum := sumOf(blob)
	if f.damage != "" {
		sum, f.damage = f.damage, ""
	}
	f.mu.Unlock()
	if !ok {
		fail(w, 404, "notFound", "No such object: b/"+r.PathValue("name"))
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(blob)))
	w.Header().Set("X-Goog-Hash", "crc32c="+sum+",md5=AAAA")
	_, _ = w.Write(blob) // the client reads it
}

func (f *fake) remove(w http.ResponseWriter, r *http.Request) {
	f.only(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.objects[r.PathValue("name")]; !ok {
		fail(w, 404, "notFound", "No such object: b/"+r.PathValue("name"))
		return
	}
	delete(f.objects, r.PathValue("name"))
	w.WriteHeader(http.StatusNoContent)
}

func (f *fake) upload(w http.ResponseWriter, r *http.Request) {
	f.only(r, "uploadType", "fields")
	if r.ContentLength <= 0 {
		f.t.Errorf("%s %s has no length", r.Method, r.URL)
	}
	switch kind := r.URL.Query().Get("uploadType"); kind {
	case "multipart":
		f.whole(w, r)
	case "resumable":
		var o object
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil || o.Name == "" {
			fail(w, 400, "required", "Required")
			return
		}
		id := rand.Text()
		f.mu.Lock()
		f.sessions[id] = &upload{name: o.Name}
		f.mu.Unlock()
		w.Header().Set("Location", f.URL+"/session/"+id)
	default:
		f.t.Errorf("an upload of the type %q", kind)
	}
}

// whole takes an object in one request.
func (f *fake) whole(w http.ResponseWriter, r *http.Request) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" {
		f.t.Errorf("an upload as %q: %v", kind, err)
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	var o object
	about, err := parts.NextRawPart()
	if err != nil || json.NewDecoder(about).Decode(&o) != nil || o.Name == "" || about.Header.Get("Content-Type") != "application/json" {
		fail(w, 400, "invalid", "Malformed multipart body.")
		return
	}
	media, err := parts.NextRawPart()
	if err != nil || media.Header.Get("Content-Type") == "" {
		fail(w, 400, "invalid", "Malformed multipart body.")
		return
	}
	blob, err := io.ReadAll(media)
	if err != nil {
		return // the client went away
	}
	if _, err := parts.NextRawPart(); err != io.EOF { //nolint:errorlint // it says io.EOF itself
		fail(w, 400, "invalid", "Malformed multipart body.")
		return
	}
	f.store(w, o.Name, blob, o.CRC32C)
}

// store makes the object, which must have the sum.
func (f *fake) store(w http.ResponseWriter, name string, blob []byte, sum string) {
	if sum == "" {
		f.t.Errorf("the object %s comes without a sum", name)
	}
	if sum != sumOf(blob) {
		fail(w, 400, "invalid", "Provided CRC32C does not match.")
		return
	}
	f.mu.Lock()
	f.objects[name] = blob
	f.mu.Unlock()
	_, _ = fmt.Fprintf(w, `{"crc32c":%q}`, sum) // the client reads it
}

func sumOf(blob []byte) string {
	s := crc32.Checksum(blob, castagnoli())
	return base64.StdEncoding.EncodeToString([]byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)})
}

var contentRange = regexp.MustCompile(`^bytes (?:\*|(\d+)-(\d+))/(?:\*|(\d+))$`)

// piece takes a piece of an upload, or a question how far it has come.
func (f *fake) piece(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	u := f.sessions[r.PathValue("id")]
	f.mu.Unlock()
	span := contentRange.FindStringSubmatch(r.Header.Get("Content-Range"))
	switch {
	case u == nil:
		fail(w, 410, "uploadBroken", "gone")
		return
	case span == nil, r.Header.Get("Authorization") != "":
		f.t.Errorf("%s: Content-Range %q, Authorization %q", r.URL, r.Header.Get("Content-Range"), r.Header.Get("Authorization"))
		fail(w, 400, "badRequest", "bad")
		return
	case u.done:
		_, _ = fmt.Fprintf(w, `{"crc32c":%q}`, sumOf(u.have)) // the client reads it
		return
	}
	piece, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away, and nothing of it is kept
	}
	if span[1] != "" && !f.take(w, r, u, span, piece) {
		return
	}
	if total, err := strconv.Atoi(span[3]); err == nil && total == len(u.have) {
		u.done = true
		f.store(w, u.name, u.have, strings.TrimPrefix(r.Header.Get("X-Goog-Hash"), "crc32c="))
		return
	}
	if len(u.have) > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(u.have)-1))
	}
	w.WriteHeader(308)
}

// take keeps what a piece has, as much as keep says. It gives false when that was answered already.
func (f *fake) take(w http.ResponseWriter, r *http.Request, u *upload, span []string, piece []byte) bool {
	first, last := atoi(span[1]), atoi(span[2])
	whole := span[3] != ""
	if int64(len(piece)) != last-first+1 || first != int64(len(u.have)) || !whole && len(piece)%(256<<10) != 0 {
		f.t.Errorf("%s of %d bytes, where %d are there", r.Header.Get("Content-Range"), len(piece), len(u.have))
		fail(w, 400, "badRequest", "bad")
		return false
	}
	kept, cut := len(piece), false
	if f.keep != nil {
		kept, cut = f.keep(first, piece)
	}
	u.have = append(u.have, piece[:kept]...)
	if whole && kept == len(piece) && cut { // it is the answer that is lost
		u.done = true
		f.store(httptest.NewRecorder(), u.name, u.have, strings.TrimPrefix(r.Header.Get("X-Goog-Hash"), "crc32c="))
	}
	if cut {
		hangUp(w)
	}
	return !cut
}

func atoi(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) // digits by the pattern
	return n
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
		_ = c.Close() // the client sees it
	}
}

func (f *fake) forget(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, r.PathValue("id"))
	w.WriteHeader(499)
}

// unfinished counts the uploads that are neither done nor forgotten.
func (f *fake) unfinished() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.sessions {
		if !u.done {
			n++
		}
	}
	return n
}
