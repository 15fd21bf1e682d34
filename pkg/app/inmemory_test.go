package app

import (
	"fmt"
	"testing"
)

// A stop loads what waits in memory first: it would be lost with the process.
func TestStopLoadsWhatIsInMemory(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
	}{
		{"queue", []string{"SCRATCH_QUEUE_TYPE=memory"}},
		{"store", []string{"SCRATCH_BLOB_STORE_TYPE=memory"}},
		{"both", []string{"SCRATCH_QUEUE_TYPE=memory", "SCRATCH_BLOB_STORE_TYPE=memory"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := environ(t.TempDir(), append(tt.env, "SCRATCH_WORKERS_COUNT=1")...)
			const tables = 30
			r := serve(t, load(t, env))
			for i := range tables {
				r.insert(fmt.Sprintf("events_%d", i), `{"a":1}`)
			}
			r.mustStop()
			r = serve(t, load(t, env))
			for i := range tables {
				r.query(fmt.Sprintf("select count(*) as n from events_%d", i), "n\n1\n")
			}
			r.mustStop()
		})
	}
}
