package servertest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// zookeeperClasses is where Debian has ZooKeeper, and the configuration of its log.
const zookeeperClasses = "/usr/share/java/zookeeper.jar"

// ZooKeeper starts a ZooKeeper, which ends with the test, and gives its port on the loopback.
func ZooKeeper(t testing.TB) int {
	t.Helper()
	java := program(t, "java")
	if _, err := os.Stat(zookeeperClasses); err != nil {
		Missing(t, "%v: .ci/servers installs it", err)
	}
	dir, port := t.TempDir(), FreePort(t)
	config := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("tickTime=500\ndataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\nforceSync=no\n", filepath.Join(dir, "data"), port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", zookeeperClasses, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config)
	cmd.Dir = dir
	start(t, cmd, func(ctx context.Context) error { return greetZooKeeper(ctx, port) })
	return port
}

// greetZooKeeper begins a session, which ZooKeeper lets nobody before it works; to be asked whether it is well is no use.
func greetZooKeeper(ctx context.Context, port int) (err error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	const body = 4 + 8 + 4 + 8 + 4 + 16 // the protocol's version, what was seen last, the time-out, the session, its password with its length
	hello := binary.BigEndian.AppendUint32(nil, body)
	hello = append(hello, make([]byte, body)...)
	binary.BigEndian.PutUint32(hello[16:], 1000)
	binary.BigEndian.PutUint32(hello[28:], 16)
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil { // it may forget what it hears early
		return err
	}
	if _, err := c.Write(hello); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 4))
	return err
}
