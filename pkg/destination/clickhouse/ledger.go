package clickhouse

import (
	"context"
	"strconv"
	"sync"
)

// ledgerTable knows for 30 days which batches were loaded. A queue never delivers one again after that long.
const ledgerTable = ownPrefix + "batches"

// The states of a batch in the ledger, in the order in which they come.
const (
	unknown = "" // it was never begun
	begun   = "begun"
	loaded  = "loaded"
)

// entry is what the ledger says of a batch.
type entry struct {
	state         string
	rows, rescued int64
}

// ledgerState remembers that the ledger's table is there.
type ledgerState struct {
	mu   sync.Mutex
	made bool // guarded by mu
}

func (d *Destination) ledgerPath() string { return quote(d.cfg.Database) + "." + quote(ledgerTable) }

// makeLedger makes the ledger's table with the first load, so that whoever only asks needs no right to.
func (d *Destination) makeLedger(ctx context.Context) error {
	d.ledger.mu.Lock()
	defer d.ledger.mu.Unlock()
	if d.ledger.made {
		return nil
	}
	engine := d.engine()
	if d.cfg.Distributed { // it is the same on all shards, as a batch may come again to any of them
		engine = "ReplicatedMergeTree('/clickhouse/scratchdata/{database}/{table}', '{shard}-{replica}')"
	}
	err := d.make(ctx, d.cfg.Database, ledgerTable, "CREATE TABLE IF NOT EXISTS "+d.ledgerPath()+d.onCluster()+
		" (batch_id String, state LowCardinality(String), rows Int64, rescued Int64, loaded_at DateTime DEFAULT now()) ENGINE = "+engine+
		" ORDER BY batch_id TTL loaded_at + INTERVAL 30 DAY"+d.tableSettings())
	d.ledger.made = err == nil
	return err
}

func (d *Destination) findBatch(ctx context.Context, id string) (e entry, err error) {
	rows, err := d.admin.rows(ctx, "SELECT toString(state), toString(rows), toString(rescued) FROM "+d.ledgerPath()+
		" WHERE batch_id = {id:String} ORDER BY state DESC LIMIT 1", param{"id", escapeParam(id)})
	if codeOf(err) == codeUnknownTable { // somebody has dropped it
		d.ledger.mu.Lock()
		d.ledger.made = false
		d.ledger.mu.Unlock()
	}
	if err != nil || len(rows) == 0 {
		return e, err
	}
	e.state = rows[0][0]
	if e.rows, err = strconv.ParseInt(rows[0][1], 10, 64); err == nil {
		e.rescued, err = strconv.ParseInt(rows[0][2], 10, 64)
	}
	return e, err
}

// addBatch notes an entry. One that is there twice does no harm.
func (d *Destination) addBatch(ctx context.Context, id string, e entry) error {
	return d.admin.do(ctx, request{
		sql: "INSERT INTO " + d.ledgerPath() + " (batch_id, state, rows, rescued) SELECT " + literal(id) + ", " + literal(e.state) + ", " +
			strconv.FormatInt(e.rows, 10) + ", " + strconv.FormatInt(e.rescued, 10),
		settings: []setting{{"async_insert", "0"}},
	})
}
