package s3

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// settings are those of a new bucket on server.
func settings(t testing.TB, server *servertest.S3Server) Config {
	t.Helper()
	c := DefaultConfig()
	c.Bucket, c.Endpoint, c.Region, c.PathStyle = server.Bucket(t), server.Endpoint, server.Region, true
	c.AccessKeyID, c.SecretAccessKey = server.AccessKeyID, secret.String(server.SecretAccessKey)
	return c
}

func open(t testing.TB, c Config) *store {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*store)
}

// environment makes the SDK find server as it finds AWS, so that everything is as it is with AWS, checksums too.
func environment(t *testing.T, server *servertest.S3Server) {
	t.Setenv("AWS_ENDPOINT_URL_S3", server.Endpoint)
	t.Setenv("AWS_REGION", server.Region)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretAccessKey)
}

func TestStore(t *testing.T) { suite(t, servertest.S3(t)) }

func TestStoreOnMinio(t *testing.T) { suite(t, servertest.Minio(t)) }

func suite(t *testing.T, server *servertest.S3Server) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, c *Config)
	}{
		{"with an endpoint", func(*testing.T, *Config) {}},
		{"below a prefix", func(_ *testing.T, c *Config) { c.Prefix, c.Endpoint = "scratch/my data", c.Endpoint+"/" }},
		{"as on AWS", func(t *testing.T, c *Config) {
			environment(t, server)
			*c = Config{Bucket: c.Bucket, PathStyle: true}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fresh := func(t *testing.T) func() blobstore.Store {
				c := settings(t, server)
				tt.change(t, &c)
				keepFolders(t, open(t, c))
				return func() blobstore.Store { return open(t, c) }
			}
			blobstoretest.Run(t, func(t *testing.T) blobstore.Store { return fresh(t)() })
			blobstoretest.RunDurable(t, fresh)
		})
	}
}

// keepFolders makes versitygw keep the folders of the keys of the suite's concurrent calls: it removes a folder with its
// last object, and may then refuse an object that comes at the same moment. No blob can have these names.
func keepFolders(t *testing.T, s *store) {
	t.Helper()
	if !strings.HasSuffix(t.Name(), "/Safe_for_concurrent_use") {
		return
	}
	for _, folder := range []string{"0/table/", "1/table/"} {
		if err := s.putObject(t.Context(), aws.String(s.prefix+folder+"~keep"), nil); err != nil {
			t.Fatal(err)
		}
	}
}
