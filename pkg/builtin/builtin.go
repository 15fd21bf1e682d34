// Package builtin lists every driver. Nothing else names one.
package builtin

import (
	"path/filepath"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/ftp"
	"github.com/scratchdata/scratchdata/pkg/blobstore/gcs"
	bloblocal "github.com/scratchdata/scratchdata/pkg/blobstore/local"
	blobmemory "github.com/scratchdata/scratchdata/pkg/blobstore/memory"
	"github.com/scratchdata/scratchdata/pkg/blobstore/s3"
	"github.com/scratchdata/scratchdata/pkg/blobstore/sftp"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/postgres"
	"github.com/scratchdata/scratchdata/pkg/control/sqlite"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/clickhouse"
	"github.com/scratchdata/scratchdata/pkg/destination/duckdb"
	"github.com/scratchdata/scratchdata/pkg/destination/ingestonly"
	"github.com/scratchdata/scratchdata/pkg/queue"
	queuelocal "github.com/scratchdata/scratchdata/pkg/queue/local"
	queuememory "github.com/scratchdata/scratchdata/pkg/queue/memory"
	queuepostgres "github.com/scratchdata/scratchdata/pkg/queue/postgres"
	"github.com/scratchdata/scratchdata/pkg/queue/rabbitmq"
	queueredis "github.com/scratchdata/scratchdata/pkg/queue/redis"
	"github.com/scratchdata/scratchdata/pkg/queue/sqs"
	"github.com/scratchdata/scratchdata/pkg/registry"
)

// Memory is the type of the drivers that keep everything in this process.
const Memory = "memory"

// IngestOnly is the type of a destination that this node only takes rows for.
const IngestOnly = "ingest_only"

// Drivers is every driver, by port.
type Drivers struct {
	Destinations registry.Drivers[destination.Destination]
	BlobStores   registry.Drivers[blobstore.Store]
	Queues       registry.Drivers[queue.Queue]
	Databases    registry.Drivers[control.Store]
	Caches       []string // the types there are; nothing opens one yet
	Vaults       []string // likewise; "memory" is the configuration itself

	duckdb duckdb.Config // what a destination of that type begins as
}

// List returns the drivers. What they keep on this machine is in dataDir unless their settings say otherwise.
func List(dataDir string) Drivers {
	duck := duckdb.DefaultConfig()
	duck.File = filepath.Join(dataDir, "data.duckdb")
	return Drivers{
		Destinations: registry.Drivers[destination.Destination]{
			IngestOnly:   registry.Typed(ingestonly.DefaultConfig, ingestonly.Open),
			duckType:     registry.Typed(func() duckdb.Config { return duck }, duckdb.Open),
			"clickhouse": registry.Typed(clickhouse.DefaultConfig, clickhouse.Open),
		},
		BlobStores: registry.Drivers[blobstore.Store]{
			"ftp": registry.Typed(ftp.DefaultConfig, ftp.Open),
			"gcs": registry.Typed(gcs.DefaultConfig, gcs.Open),
			"local": registry.Typed(func() bloblocal.Config {
				c := bloblocal.DefaultConfig()
				c.Dir = filepath.Join(dataDir, "blobs")
				return c
			}, bloblocal.Open),
			Memory: registry.Typed(blobmemory.DefaultConfig, blobmemory.Open),
			"s3":   registry.Typed(s3.DefaultConfig, s3.Open),
			"sftp": registry.Typed(sftp.DefaultConfig, sftp.Open),
		},
		Queues: registry.Drivers[queue.Queue]{
			"local": registry.Typed(func() queuelocal.Config {
				c := queuelocal.DefaultConfig()
				c.File = filepath.Join(dataDir, "queue.db")
				return c
			}, queuelocal.Open),
			Memory:     registry.Typed(queuememory.DefaultConfig, queuememory.Open),
			"postgres": registry.Typed(queuepostgres.DefaultConfig, queuepostgres.Open),
			"rabbitmq": registry.Typed(rabbitmq.DefaultConfig, rabbitmq.Open),
			"redis":    registry.Typed(queueredis.DefaultConfig, queueredis.Open),
			"sqs":      registry.Typed(sqs.DefaultConfig, sqs.Open),
		},
		Databases: registry.Drivers[control.Store]{
			"sqlite": registry.Typed(func() sqlite.Config {
				c := sqlite.DefaultConfig()
				c.File = filepath.Join(dataDir, "control.db")
				return c
			}, sqlite.Open),
			"postgres": registry.Typed(postgres.DefaultConfig, postgres.Open),
		},
		Caches: []string{Memory},
		Vaults: []string{Memory},
		duckdb: duck,
	}
}
