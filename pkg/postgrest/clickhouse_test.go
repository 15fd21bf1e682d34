package postgrest

import (
	"testing"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

func TestClickHouse(t *testing.T) {
	table, err := schema.ParseTable("events")
	if err != nil {
		t.Fatal(err)
	}
	cols := []schema.Column{{Name: "n", Kind: schema.Int}, {Name: "u", Kind: schema.Int, Bits: 64, Unsigned: true}, {Name: "small", Kind: schema.Int, Bits: 8, Unsigned: true}, {Name: "s", Kind: schema.Text}, {Name: "t", Kind: schema.Timestamp},
		{Name: "a`\\b", Kind: schema.Foreign, Type: "Enum8('it\\'s' = 1)"}}
	const head = "SELECT tt.* FROM `db`.`events` AS tt"
	for _, tt := range []struct{ query, want string }{
		{"n=eq.1", head + " WHERE tt.`n` = accurateCast(trimBoth($1), 'Int64')"},
		{"small=eq.1", head + " WHERE tt.`small` = accurateCast(trimBoth($1), 'UInt8')"},
		{"u=gt.1", head + " WHERE tt.`u` > accurateCast(trimBoth($1), 'UInt64')"},
		{"s=ilike.a*&s=imatch.b", head + " WHERE tt.`s` ILIKE $1 AND match(tt.`s`, concat('(?i)', $2))"},
		{"t=lt.2024-01-01", head + " WHERE tt.`t` < parseDateTime64BestEffort($1, 6, 'UTC')"},
		{"\"a`\\\\b\"=eq.x", head + " WHERE tt.`a\\`\\\\b` = accurateCast($1, 'Enum8(\\'it\\\\\\'s\\' = 1)')"},
		{"s=isdistinct.x&order=n.desc.nullsfirst&limit=3&offset=4", head + " WHERE tt.`s` IS DISTINCT FROM $1 ORDER BY tt.`n` DESC NULLS FIRST LIMIT 3 OFFSET 4"},
		{"select=n::numeric,t::timestamp", "SELECT if(isNull(tt.`n`), NULL, accurateCast(assumeNotNull(tt.`n`), 'Decimal(38, 9)')) AS `n`, " +
			"if(isNull(tt.`t`), NULL, accurateCast(assumeNotNull(tt.`t`), 'DateTime64(6, \\'UTC\\')')) AS `t` FROM `db`.`events` AS tt"},
	} {
		st, err := Translate(Request{Query: tt.query}, table, cols, ClickHouse{Database: "db"})
		if err != nil || st.SQL != tt.want {
			t.Errorf("%s\n got %s, %v\nwant %s", tt.query, st.SQL, err, tt.want)
		}
	}
}
