package clickhouse

import (
	"context"
	"math"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// reach is what the server's timestamps and dates hold, in microseconds and days.
type reach struct {
	first, last       int64 // of DateTime64
	firstDay, lastDay int64 // of Date32
}

// narrow is what every server with these types holds: the years 1900 to 2299.
func narrow() reach {
	at := func(year int) int64 { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Unix() }
	return reach{first: at(1900) * 1e6, last: at(2300)*1e6 - 1, firstDay: at(1900) / 86400, lastDay: at(2300)/86400 - 1}
}

// findReach asks the server whether it holds the years 1 to 9999, as newer ones do.
func (d *Destination) findReach(ctx context.Context) (reach, error) {
	r := narrow()
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	for _, probe := range [...]struct {
		sql         string
		first, last int64
		set         func()
	}{
		{"SELECT toString(toDateTime64('0001-01-01 00:00:00', 6, 'UTC')), toString(toDateTime64('9999-12-31 23:59:59.999999', 6, 'UTC')), " +
			"toString(toUnixTimestamp64Micro(toDateTime64('0001-01-01 00:00:00', 6, 'UTC')) < -60000000000000000)", 0, 0,
			func() { r.first, r.last = first.UnixMicro(), last.UnixMicro() }},
		{"SELECT toString(toDate32('0001-01-01')), toString(toDate32('9999-12-31')), '1'", 0, 0,
			func() { r.firstDay, r.lastDay = first.Unix()/86400, last.Unix()/86400 }},
	} {
		rows, err := d.admin.rows(ctx, probe.sql)
		if err != nil {
			return r, err
		}
		if row := rows[0]; row[0][:10] == "0001-01-01" && row[1][:10] == "9999-12-31" && row[2] == "1" {
			probe.set()
		}
	}
	return r, nil
}

// column describes one of a table's columns: what it takes, as far as package ndjson knows that.
func (r reach) column(name, text, defaultKind string) schema.Column {
	c := schema.Column{Name: name, Type: text, Kind: schema.Foreign}
	switch defaultKind {
	case "DEFAULT", "EPHEMERAL":
		c.Default = true
	case "MATERIALIZED", "ALIAS":
		c.Computed = true
	}
	t, nullable := parseType(text).bare()
	c.NotNull = !nullable
	integer := func(bits int, unsigned bool) { c.Kind, c.Bits, c.Unsigned = schema.Int, bits, unsigned }
	switch t.name {
	case "Bool":
		c.Kind = schema.Bool
	case "Int8":
		integer(8, false)
	case "Int16":
		integer(16, false)
	case "Int32":
		integer(32, false)
	case "Int64":
		integer(64, false)
	case "UInt8":
		integer(8, true)
	case "UInt16":
		integer(16, true)
	case "UInt32":
		integer(32, true)
	case "UInt64":
		integer(64, true)
	case "Float32":
		c.Kind, c.Bits = schema.Float, 32
	case "Float64":
		c.Kind, c.Bits = schema.Float, 64
	case "String":
		c.Kind = schema.Text
	case "Date":
		c.Kind, c.Earliest, c.Latest = schema.Date, 0, math.MaxUint16
	case "Date32":
		c.Kind, c.Earliest, c.Latest = schema.Date, r.firstDay, r.lastDay
	case "DateTime64":
		if t.number(0, 3) == 6 {
			c.Kind, c.Earliest, c.Latest = schema.Timestamp, r.first, r.last
		}
	}
	return c
}

// writable reports whether rows can bring values for a column of type t.
func writable(t typ) bool {
	switch t.name {
	case "Array":
		of, _ := t.args[0].bare()
		return writable(of)
	case "Map", "Tuple":
		for _, arg := range t.args {
			if of, _ := arg.bare(); !writable(of) {
				return false
			}
		}
		return len(t.args) > 0
	case "FixedString", "DateTime", "DateTime64", "Enum8", "Enum16", "JSON", "Int128", "UInt128", "Int256", "UInt256", "UUID", "IPv4", "IPv6":
		return true
	}
	_, plain := plainTypes[t.name]
	_, _, decimal := t.decimal()
	return decimal || plain && t.name != "Nothing" && t.name != "BFloat16" && t.name != "Time"
}
