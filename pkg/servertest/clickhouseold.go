package servertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const oldClickHouseUsers = `<yandex>
  <profiles><default></default></profiles>
  <users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>
  <quotas><default></default></quotas>
</yandex>`

// ClickHouseOld starts two servers of ClickHouse 18.16 that are a cluster of one shard with a ZooKeeper, where ON CLUSTER works.
func ClickHouseOld(t testing.TB) [2]ClickHouseServer {
	t.Helper()
	server := program(t, "clickhouse-server", "/usr/sbin/clickhouse-server")
	keeper := ZooKeeper(t)
	var nodes [2]ClickHouseServer
	for i := range nodes {
		nodes[i] = ClickHouseServer{Host: "127.0.0.1", TCP: FreePort(t), HTTP: FreePort(t), User: "default", Database: "default"}
	}
	for i, n := range nodes {
		dir := t.TempDir()
		config := fmt.Sprintf(`<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host><http_port>%d</http_port><tcp_port>%d</tcp_port>
  <interserver_http_host>127.0.0.1</interserver_http_host><interserver_http_port>%d</interserver_http_port>
  <path>data/</path><tmp_path>data/tmp/</tmp_path><mark_cache_size>5368709120</mark_cache_size>
  <users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
  <zookeeper><node><host>127.0.0.1</host><port>%d</port></node></zookeeper>
  <macros><shard>1</shard><replica>r%d</replica></macros>
  <distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
  <remote_servers><%s><shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>%d</port></replica>
    <replica><host>127.0.0.1</host><port>%d</port></replica></shard></%[6]s></remote_servers>
</yandex>`, n.HTTP, n.TCP, FreePort(t), keeper, i+1, ClickHouseClusterName, nodes[0].TCP, nodes[1].TCP)
		for name, text := range map[string]string{"config.xml": config, "users.xml": oldClickHouseUsers} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(server, "--config-file=config.xml")
		cmd.Dir = dir
		start(t, cmd, func(ctx context.Context) error { return n.exec(ctx, "SELECT 1") })
	}
	return nodes
}
