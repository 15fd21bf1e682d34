package servertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
)

// ClickHouseServer is a ClickHouse, and a database of the caller's own in it.
type ClickHouseServer struct {
	Host           string
	TCP, HTTP      int // ports of the native protocol and of HTTP
	User, Password string
	// Reader only may read and change settings, Strict only may read, Limited may read a little of system.numbers alone, all with the
	// same password. They are empty when the server is not one of ours.
	Reader, Strict, Limited string
	Policy                  string // a storage policy whose disk, of the same name, is not the default one; empty when the server is not one of ours
	Database                string
}

// clickHouseUsers are the users of servers that are started here. The default one must be there and have no password.
const clickHouseUsers = `<clickhouse>
  <profiles><default></default><readonly><readonly>2</readonly></readonly><strict><readonly>1</readonly></strict>
    <limited><readonly>1</readonly><max_result_rows>1000</max_result_rows><max_memory_usage>20000000</max_memory_usage></limited></profiles>
  <users>
    <default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
    <app><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></app>
    <reader><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>readonly</profile><quota>default</quota></reader>
    <strict><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>strict</profile><quota>default</quota></strict>
    <limited><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>limited</profile><quota>default</quota>
      <grants><query>GRANT SELECT ON system.numbers</query></grants></limited>
  </users>
  <quotas><default></default></quotas>
</clickhouse>`

// clickHouseConfig is the configuration of a server that is started here; the other disk's path is to be filled in.
const clickHouseConfig = `<clickhouse>
  <logger><level>warning</level><console>1</console></logger>
  <users_config>users.xml</users_config>
  <storage_configuration><disks><other><path>%s/</path></other></disks>
    <policies><other><volumes><main><disk>other</disk></main></volumes></other></policies></storage_configuration>
</clickhouse>`

// ClickHouse gives a ClickHouse: the one that SCRATCH_TEST_CLICKHOUSE names as clickhouse://user:password@host:port?http_port=8123,
// or one that is started here, from what .ci/servers has installed.
func ClickHouse(t testing.TB) ClickHouseServer {
	t.Helper()
	if dsn, ok := Given("CLICKHOUSE"); ok {
		s, err := parseClickHouse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return s.Fresh(t)
	}
	lib := clickHouseLibrary(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"config.xml": fmt.Sprintf(clickHouseConfig, filepath.Join(dir, "other")), "users.xml": clickHouseUsers} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := ClickHouseServer{Host: "127.0.0.1", TCP: FreePort(t), HTTP: FreePort(t), User: "app", Password: "secret", Reader: "reader", Strict: "strict", Limited: "limited",
		Policy: "other"}
	cmd := exec.Command(program(t, "chserve"), lib, filepath.Join(dir, "data"), strconv.Itoa(s.TCP), strconv.Itoa(s.HTTP), "--config-file=config.xml")
	cmd.Dir = dir
	start(t, cmd, func(ctx context.Context) error { return s.exec(ctx, "SELECT 1") })
	return s.Fresh(t)
}

func parseClickHouse(dsn string) (s ClickHouseServer, err error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return s, errors.New("SCRATCH_TEST_CLICKHOUSE is no URL") // it may have a password
	}
	s = ClickHouseServer{Host: u.Hostname(), TCP: 9000, HTTP: 8123, User: u.User.Username()}
	s.Password, _ = u.User.Password()
	for text, port := range map[string]*int{u.Port(): &s.TCP, u.Query().Get("http_port"): &s.HTTP} {
		if text == "" {
			continue
		}
		if *port, err = strconv.Atoi(text); err != nil {
			return s, fmt.Errorf("SCRATCH_TEST_CLICKHOUSE: the port %q is no number", text)
		}
	}
	return s, nil
}

func clickHouseLibrary(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		Missing(t, "there is no folder for caches: %v", err)
	}
	lib := filepath.Join(cache, "scratchdata-servers", "clickhouse", "libchdb.so")
	if _, err := os.Stat(lib); err != nil {
		Missing(t, "%v: .ci/servers installs it", err)
	}
	return lib
}

// Fresh gives the same server with an empty database, which is dropped when the test ends.
func (s ClickHouseServer) Fresh(t testing.TB) ClickHouseServer {
	t.Helper()
	anywhere := s
	anywhere.Database = "default"
	s.Database = "test_" + strings.ToLower(ulid.Make().String())
	if err := anywhere.exec(t.Context(), "CREATE DATABASE "+s.Database+" ENGINE = Atomic"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := anywhere.exec(context.Background(), "DROP DATABASE IF EXISTS "+s.Database+" SYNC"); err != nil {
			t.Logf("drop the database %s: %v", s.Database, err)
		}
	})
	return s
}

// Exec runs a statement as an administrator would, and gives what the server prints.
func (s ClickHouseServer) Exec(t testing.TB, sql string) string {
	t.Helper()
	out, err := s.ask(context.WithoutCancel(t.Context()), sql) // clean-ups ask too
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.TrimSuffix(out, "\n")
}

func (s ClickHouseServer) exec(ctx context.Context, sql string) error {
	_, err := s.ask(ctx, sql)
	return err
}

func (s ClickHouseServer) ask(ctx context.Context, sql string) (out string, err error) {
	at := "http://" + s.Host + ":" + strconv.Itoa(s.HTTP) + "/?database=" + url.QueryEscape(s.Database)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	r.Header.Set("X-ClickHouse-User", s.User)
	r.Header.Set("X-ClickHouse-Key", s.Password)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return string(text), err
}
