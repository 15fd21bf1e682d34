package duckdb

import (
	"context"
	"strconv"
	"time"
)

// ownSchema holds what the driver itself remembers.
const ownSchema = "__scratchdata"

// How long the ledger knows a batch, and how often it is looked through for older ones. A queue never delivers a batch
// again after that long. The newest it knows whatever their time: a machine's clock may be set by years, as when it starts
// with a wrong one after a power loss, and what was loaded last is then delivered again.
const (
	ledgerKeeps  = 30 * 24 * time.Hour
	ledgerNewest = 10_000
	ledgerPruned = time.Hour
)

// ledger is the table of batches that were loaded. It has no index: batch ids rise with time, so the engine finds one
// by the smallest and largest of each block.
func (e *engine) ledger() string { return quote(e.catalog) + "." + quote(ownSchema) + ".batches" }

func (e *engine) makeLedger(ctx context.Context, w *conn) error {
	return w.within(ctx, beginWrite, commit, func() error {
		if err := w.exec("CREATE SCHEMA IF NOT EXISTS " + quote(e.catalog) + "." + quote(ownSchema)); err != nil {
			return err
		}
		return w.exec("CREATE TABLE IF NOT EXISTS " + e.ledger() +
			" (batch_id VARCHAR, rows BIGINT, rescued BIGINT, loaded_at TIMESTAMPTZ)")
	})
}

// entry is what the ledger says of a batch.
type entry struct{ rows, rescued int64 }

func (e *engine) findBatch(c *conn, id string) (found entry, ok bool, err error) {
	rows, err := c.rows("SELECT rows::VARCHAR, rescued::VARCHAR FROM "+e.ledger()+" WHERE batch_id = ?", id)
	if err != nil || len(rows) == 0 {
		return entry{}, false, err
	}
	if found.rows, err = strconv.ParseInt(rows[0][0], 10, 64); err != nil {
		return entry{}, false, err
	}
	found.rescued, err = strconv.ParseInt(rows[0][1], 10, 64)
	return found, err == nil, err
}

func (e *engine) addBatch(w *conn, id string, n entry) error {
	_, err := w.rows("INSERT INTO "+e.ledger()+" VALUES (?, ?, ?, ?) RETURNING batch_id", id, n.rows, n.rescued, time.Now())
	return err
}

// prune forgets, now and then, the batches that were loaded long before now. The caller holds the writer. Rows of a table have
// the order in which they were added.
func (e *engine) prune(ctx context.Context, w *conn, now time.Time) error {
	if since := now.Sub(e.pruned); since >= 0 && since < ledgerPruned {
		return nil
	}
	e.pruned = now
	return w.within(ctx, beginWrite, commit, func() error {
		_, err := w.rows("DELETE FROM "+e.ledger()+" WHERE loaded_at < ? AND rowid <= (SELECT max(rowid) FROM "+e.ledger()+") - ? RETURNING batch_id",
			now.Add(-ledgerKeeps), int64(ledgerNewest))
		return err
	})
}
