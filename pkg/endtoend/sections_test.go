package endtoend

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/builtin"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// A driver that is added to the program needs a line in this package, so that it is tested with all others.
func TestEveryDriverIsHere(t *testing.T) {
	d := builtin.List(t.TempDir())
	for port, lists := range map[string][2][]string{
		"queues": {slices.Sorted(maps.Keys(d.Queues)), slices.Sorted(maps.Keys(queues))},
		"stores": {slices.Sorted(maps.Keys(d.BlobStores)), slices.Sorted(maps.Keys(stores))},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s: got %q here, want those of the program: %q", port, lists[1], lists[0])
		}
	}
}

// failToStart runs the program with a configuration that it cannot start with, until it ends.
func failToStart(t *testing.T, yaml string) (code int, text string) {
	t.Helper()
	n := newNode(t, yaml)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe, n.Config)
	cmd.Dir = n.Dir
	cmd.Env = append(append(os.Environ(), "SCRATCH_API_PORT=0", "SCRATCH_PROMETHEUS_ENABLED=false"), n.Env...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("it goes on: %s", out)
	}
	if err == nil {
		t.Fatalf("it ended well: %s", out)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// refusing gives the URL of a server that answers every request with a status and a body.
func refusing(t *testing.T, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client's loss when it has gone
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// wrong is the password that no server here has.
const wrong = "wr0ng-s3cret"

// otherKey is the fingerprint of a host key that no server here has.
const otherKey = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// with gives url with another password, path or host, where they are not empty.
func with(t *testing.T, raw, password, path, host string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		u.User = url.UserPassword(u.User.Username(), password)
	}
	u.Path, u.Host = cmp.Or(path, u.Path), cmp.Or(host, u.Host)
	return u.String()
}

// A program whose queue, store, database or destination cannot be had ends, and says which section of the configuration is
// wrong, and how. It never says a secret.
func TestWrongSections(t *testing.T) {
	servers.Need(t, "CLICKHOUSE", "FTP", "GCS", "POSTGRES", "RABBITMQ", "REDIS", "S3", "SFTP", "SQS")
	redis, rabbit, postgres := servertest.Redis(t), servertest.RabbitMQ(t), servertest.Postgres(t)
	s3, gcs, sqs, clickhouse := servertest.S3(t), servertest.GCS(t), servertest.SQS(t), servertest.ClickHouse(t)
	ftp, sftp := servertest.FTP(t), servertest.SFTP(t)
	folder, home := ftp.Folder(t), sftp.Folder(t)
	bucket, queue, nobody := s3.Bucket(t), sqs.Queue(t, nil), fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(t))
	host, port, _ := strings.Cut(nobody, ":")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	url := func(raw, password, path, host string) string {
		return fmt.Sprintf("url: %q", with(t, raw, password, path, host))
	}
	dsn := func(password, path, host string) string {
		return fmt.Sprintf("dsn: %q", with(t, postgres, password, path, host))
	}
	in := func(name string) string { return fmt.Sprintf("file: %q", filepath.Join(file, name)) } // a file is no folder
	refuses := refusing(t, http.StatusForbidden, `{"__type":"InvalidClientTokenId","message":"the token is invalid"}`)
	tests := []wrongSection{
		{"no folder", "queue", "local", in("queue.db"), file},
		{"password", "queue", "redis", url(redis, wrong, "", ""), "WRONGPASS"},
		{"nobody there", "queue", "redis", url(redis, "", "", nobody), "connection refused"},
		{"password", "queue", "rabbitmq", url(rabbit, wrong, "", ""), "username or password not allowed"},
		{"no such vhost", "queue", "rabbitmq", url(rabbit, "", "/nowhere", ""), "vhost nowhere not found"},
		{"nobody there", "queue", "rabbitmq", url(rabbit, "", "", nobody), "connection refused"},
		{"password", "queue", "postgres", dsn(wrong, "", ""), "password authentication failed"},
		{"no such database", "queue", "postgres", dsn("", "/nowhere", ""), `"nowhere" does not exist`},
		{"nobody there", "queue", "postgres", dsn("", "", nobody), "connection refused"},
		{"keys", "queue", "sqs", sqsSettings(queue, refuses, wrong), "the keys are refused"},
		{"no such queue", "queue", "sqs", sqsSettings(queue+"-not", sqs.Endpoint, wrong), "the queue does not exist"},
		{"nobody there", "queue", "sqs", sqsSettings(queue, "http://"+nobody, wrong), "connection refused"},

		{"no folder", "blob_store", "local", fmt.Sprintf("dir: %q", file), file},
		{"secret", "blob_store", "s3", s3Settings(s3, s3.Endpoint, bucket, s3.AccessKeyID, wrong), "the keys are refused"},
		{"key", "blob_store", "s3", s3Settings(s3, s3.Endpoint, bucket, "nobody", wrong), "the keys are refused"},
		{"no such bucket", "blob_store", "s3", s3Settings(s3, s3.Endpoint, "nowhere-at-all", s3.AccessKeyID, s3.SecretAccessKey), "the bucket does not exist"},
		{"nobody there", "blob_store", "s3", s3Settings(s3, "http://"+nobody, bucket, s3.AccessKeyID, s3.SecretAccessKey), "connection refused"},
		{"credentials", "blob_store", "gcs", gcsSettings(refusing(t, http.StatusUnauthorized, "{}"), "b"), "the credentials are refused"},
		{"no such bucket", "blob_store", "gcs", gcsSettings(gcs.Endpoint, "nowhere-at-all"), "the bucket does not exist"},
		{"nobody there", "blob_store", "gcs", gcsSettings("http://"+nobody, "b"), "connection refused"},
		{"password", "blob_store", "ftp", ftpSettings(ftp, wrong, folder), "is refused with this password"},
		{"no such folder", "blob_store", "ftp", ftpSettings(ftp, ftp.Password, folder+"-not"), "directory: "},
		{"nobody there", "blob_store", "ftp", fmt.Sprintf("host: %q, port: %s, user: a, directory: a, tls: none", host, port), "connection refused"},
		{"host key", "blob_store", "sftp", sftpSettings(sftp, otherKey, home), "shows another key"},
		{"no such folder", "blob_store", "sftp", sftpSettings(sftp, sftp.HostKey, home+"-not"), "directory: "},
		{"nobody there", "blob_store", "sftp", fmt.Sprintf("host: %q, port: %s, user: a, password: %q, directory: a, insecure_host_key: true", host, port, wrong), "connection refused"},

		{"no folder", "database", "sqlite", in("control.db"), file},
		{"password", "database", "postgres", dsn(wrong, "", ""), "password authentication failed"},
		{"no such database", "database", "postgres", dsn("", "/nowhere", ""), `"nowhere" does not exist`},
		{"nobody there", "database", "postgres", dsn("", "", nobody), "connection refused"},

		{"no folder", "destination 1", "duckdb", in("data.duckdb"), file},
		// By HTTP, as libchdb ends after it has refused a login by the native protocol.
		{"password", "destination 1", "clickhouse", fmt.Sprintf("hosts: [\"127.0.0.1:%d\"], protocol: http, username: %s, password: %s", clickhouse.HTTP, clickhouse.User, wrong), "password is incorrect"},
		{"nobody there", "destination 1", "clickhouse", fmt.Sprintf("hosts: [%q], password: %s", nobody, wrong), "connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.part+" of type "+tt.kind+", "+tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
	wantEveryDriver(t, tests)
}

// wrongSection is a section that the program cannot start with.
type wrongSection struct {
	name, part, kind, settings string
	says                       string // how it is wrong
}

// yaml is the configuration.
func (w wrongSection) yaml() string {
	if w.part == "destination 1" {
		return fmt.Sprintf("destinations: [{id: 1, api_keys: [local], type: %s, settings: {%s}}]\n", w.kind, w.settings)
	}
	return fmt.Sprintf("%s: {type: %s, settings: {%s}}\n", w.part, w.kind, w.settings)
}

func (w wrongSection) check(t *testing.T) {
	code, text := failToStart(t, w.yaml())
	if want := "open " + w.part + " of type " + w.kind + ": "; code != 1 || !strings.Contains(text, want) || !strings.Contains(text, w.says) {
		t.Errorf("got exit code %d and %s, want 1, %q and %q", code, text, want, w.says)
	}
	for _, word := range append(secretsOf(w.yaml()), wrong) {
		if strings.Contains(text, word) {
			t.Errorf("it says the secret %q: %s", word, text)
		}
	}
}

// wantEveryDriver wants a test for each driver that can fail to open.
func wantEveryDriver(t *testing.T, tests []wrongSection) {
	t.Helper()
	d := builtin.List(t.TempDir())
	for part, kinds := range map[string][]string{
		"queue": slices.Collect(maps.Keys(d.Queues)), "blob_store": slices.Collect(maps.Keys(d.BlobStores)),
		"database": slices.Collect(maps.Keys(d.Databases)), "destination 1": slices.Collect(maps.Keys(d.Destinations)),
	} {
		for _, kind := range kinds {
			opensNothing := kind == builtin.Memory || kind == builtin.IngestOnly
			if !opensNothing && !slices.ContainsFunc(tests, func(w wrongSection) bool { return w.part == part && w.kind == kind }) {
				t.Errorf("no %s of type %s is tried with wrong settings", part, kind)
			}
		}
	}
}
