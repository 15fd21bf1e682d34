// Package transport takes sealed batches to the blob store and the queue, and from there into their destinations.
//
// Exactly once rests on three rules. What is handed on is durable before the hand before lets go of it: the blob, the
// record, the message, and only then the file is removed; the rows, the record, and only then blob and message are. Every
// step may be done again, as after a crash nobody knows whether it was. And the destination takes a batch id once.
package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Shipment is the queue's message about one batch in the blob store.
type Shipment struct {
	Batch       string        `json:"batch"`
	File        string        `json:"file,omitempty"` // what its rows get as __batch_file; empty is Batch
	Destination string        `json:"destination"`
	Table       schema.Table  `json:"table"`
	Key         string        `json:"key"` // of the blob
	Rows        int64         `json:"rows"`
	Bytes       int64         `json:"bytes"`
	Seen        []schema.Seen `json:"seen"`
	Parts       []schema.Part `json:"parts,omitempty"` // rows for other tables, which Rows counts too; by table
	Created     time.Time     `json:"created"`         // when the batch was opened for rows
	// Died makes the message a replay: it is when the batch was settled as dead, copied from its record. The worker
	// revives the batch when its record still says that. So sending the message is all that a replay does, no crash can
	// come between two steps, and a replay that is delivered again later does not undo another death.
	Died time.Time `json:"died,omitzero"`
}

// version is that of the message's form. One who reads an older or newer form than it knows keeps the message as dead.
const version = 1

// sealed is a shipment as it is written.
type sealed struct {
	Version int `json:"v"`
	Shipment
}

// shipmentOf makes the message about r.
func shipmentOf(r ingest.Ready) Shipment {
	return Shipment{Batch: r.Batch, Destination: r.Destination, Table: r.Table,
		Key:  KeyOf(r.Destination, r.Table, r.Batch),
		Rows: r.Rows, Bytes: r.Bytes, Seen: r.Seen, Parts: r.Parts, Created: r.Created}
}

// KeyOf gives the key of a batch's blob.
func KeyOf(destination string, table schema.Table, batch string) string {
	return destination + "/" + table.String() + "/" + batch + ".ndjson"
}

// encode writes the message.
func (s Shipment) encode() ([]byte, error) {
	return json.Marshal(sealed{Version: version, Shipment: s})
}

// parseShipment reads a message. It is strict: what it does not know it refuses, as a part that is not understood may
// be the part that matters.
func parseShipment(body []byte) (Shipment, error) {
	var form struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return Shipment{}, unreadable("it is not a JSON object with a version").Because(err)
	}
	if form.Version != version {
		return Shipment{}, unreadable("its form is version %d, and only %d is known here", form.Version, version)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var s sealed
	if err := dec.Decode(&s); err != nil {
		return Shipment{}, unreadable("it does not have the form of a shipment").Because(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Shipment{}, unreadable("something follows it")
	}
	if s.Batch == "" || s.Destination == "" || s.Table.IsZero() || s.Key == "" {
		return Shipment{}, unreadable("batch, destination, table or key is missing")
	}
	return s.Shipment, nil
}

func unreadable(format string, args ...any) *fault.Error {
	return fault.New(fault.Unprocessable, "unreadable_message", "the queue's message cannot be read: "+format, args...)
}

// record is the batch as the control store notes it, with the message that tells of it.
func (s Shipment) record(message []byte) control.Batch {
	return control.Batch{ID: s.Batch, Destination: s.Destination, Table: s.Table, State: control.StateShipped,
		Rows: s.Rows, Bytes: s.Bytes, Message: message, Created: s.Created}
}
