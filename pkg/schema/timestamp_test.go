package schema

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseTimestamp(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixMicro()
	}
	for _, tt := range []struct{ in, want string }{ // want is empty when the text is no timestamp
		{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"},
		{"2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"},
		{"2024-01-02T03:04:05", "2024-01-02T03:04:05Z"},
		{"2024-01-02 03:04:05", "2024-01-02T03:04:05Z"},
		{"2024-01-02 03:04", "2024-01-02T03:04:00Z"},
		{"2024-01-02T03:04Z", "2024-01-02T03:04:00Z"},
		{"2024-01-02T03:04+01:30", "2024-01-02T01:34:00Z"},
		{"2024-01-02t03:04:05z", "2024-01-02T03:04:05Z"},
		{"2024-01-02 03:04:05Z", "2024-01-02T03:04:05Z"},
		{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
		{"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
		{"2024-01-02T03:04:05+23:59", "2024-01-01T03:05:05Z"},
		{"2024-01-02T03:04:05-23:59", "2024-01-03T03:03:05Z"},
		{"2024-01-02T03:04:05-00:00", "2024-01-02T03:04:05Z"},
		{"2024-01-02T03:04:05.1", "2024-01-02T03:04:05.1Z"},
		{"2024-01-02T03:04:05.12Z", "2024-01-02T03:04:05.12Z"},
		{"2024-01-02T03:04:05.123Z", "2024-01-02T03:04:05.123Z"},
		{"2024-01-02T03:04:05.1234Z", "2024-01-02T03:04:05.1234Z"},
		{"2024-01-02T03:04:05.12345+01:00", "2024-01-02T02:04:05.12345Z"},
		{"2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05.123456Z"},
		{"2024-01-02T03:04:05.000001Z", "2024-01-02T03:04:05.000001Z"},
		{"2024-01-02T03:04:05.1234560Z", "2024-01-02T03:04:05.123456Z"},
		{"2024-01-02T03:04:05.12345600Z", "2024-01-02T03:04:05.123456Z"},
		{"2024-01-02T03:04:05.123456000Z", "2024-01-02T03:04:05.123456Z"},
		{in: "2024-01-02T03:04:05.1234567Z"},
		{in: "2024-01-02T03:04:05.123456001Z"},
		{in: "2024-01-02T03:04:05.1234560000Z"},
		{in: "2024-01-02T03:04:05."},
		{in: "2024-01-02T03:04:05.Z"},
		{in: "2024-01-02T03:04:05,5Z"},
		{in: "2016-12-31T23:59:60Z"},
		{in: "2024-01-02T03:60:00Z"},
		{in: "2024-01-02T24:00:00Z"},
		{in: "2023-02-29T00:00:00Z"},
		{in: "1900-02-29T00:00:00Z"},
		{in: "0000-01-01T00:00:00Z"},
		{in: "0001-01-01T00:00:00+00:01"},
		{in: "9999-12-31T23:59:59-00:01"},
		{in: "10000-01-01T00:00:00Z"},
		{in: "2024-01-02T03:04:05+24:00"},
		{in: "2024-01-02T03:04:05+01:60"},
		{in: "2024-01-02T03:04:05+0100"},
		{in: "2024-01-02T03:04:05+01"},
		{in: "2024-01-02T03:04:05 +01:00"},
		{in: "2024-01-02T03:04:05 01:00"},
		{in: "2024-01-02T03:04:05ZZ"},
		{in: "2024-01-02T03:04:05Z "},
		{in: " 2024-01-02T03:04:05Z"},
		{in: "2024-01-02T03:04:5Z"},
		{in: "2024-01-02T03:04:"},
		{in: "2024-01-02T03"},
		{in: "2024-01-02T"},
		{in: "2024-01-02"},
		{in: "2024-01-02_03:04:05"},
		{in: "2024-01-02T03-04-05"},
		{in: "2024/01/02T03:04:05"},
		{in: "2O24-01-02T03:04:05"},
		{in: "2024-01-02Tab:cd:ef"},
		{in: "2024-01-02T0:04:05Z"},
		{in: "2024-01-02 is a day like any other"},
		{in: ""},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, ok := ParseTimestamp([]byte(tt.in))
			if ok != (tt.want != "") {
				t.Fatalf("ParseTimestamp(%q) got ok %t, want %t", tt.in, ok, tt.want != "")
			}
			if ok && got != at(tt.want) {
				t.Errorf("ParseTimestamp(%q)\n got %v\nwant %v", tt.in, time.UnixMicro(got).UTC(), tt.want)
			}
		})
	}
}

func TestParseDateHasEveryDay(t *testing.T) {
	day := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	var b []byte
	for want := int64(firstDay); want <= lastDay; want++ {
		b = day.AppendFormat(b[:0], time.DateOnly)
		if got, ok := ParseDate(b); !ok || got != want {
			t.Fatalf("ParseDate(%s) got %d, %t, want %d", b, got, ok, want)
		}
		day = day.AddDate(0, 0, 1)
	}
	if day.Year() != 10000 {
		t.Errorf("the days end at %v, want the end of the year 9999", day)
	}
}

func TestParseDateRefusesOtherDays(t *testing.T) {
	for year := 0; year < 10000; year++ {
		for month := range 15 {
			for day := range 35 {
				s := fmt.Sprintf("%04d-%02d-%02d", year, month, day)
				_, err := time.Parse(time.DateOnly, s)
				if _, got := ParseDate([]byte(s)); got != (err == nil && year > 0) {
					t.Fatalf("ParseDate(%s) got ok %t, want %t", s, got, !got)
				}
			}
		}
		if year == 404 {
			year = 9990 // the calendar repeats
		}
	}
}

func TestParseDateForms(t *testing.T) {
	for _, in := range []string{
		"", "2024", "2024-1-2", "2024-01-2", "20240102", "2024-01-02 ", " 2024-01-02", "2024-01-02Z", "2024/01/02", "2024-01/02",
		"02-01-2024", "-024-01-02", "+024-01-02", "202a-01-02", "2024-0x-02", "2024-01-0\x00", "１024-01-0",
		"2024-01-02T00:00:00Z",
	} {
		if days, ok := ParseDate([]byte(in)); ok {
			t.Errorf("ParseDate(%q) got %d, want no date", in, days)
		}
	}
}

// FuzzParseTimestamp compares with package time.
func FuzzParseTimestamp(f *testing.F) {
	for _, s := range []string{"2024-02-29T12:34:56.789Z", "2024-02-29 12:34", "0001-01-01T00:00:00+00:01", "2024-01-02T03:04:05.1234567-01:00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := ParseTimestamp(b)
		want, wantOK := slowTimestamp(string(b))
		if ok != wantOK || got != want {
			t.Errorf("ParseTimestamp(%q) got %d, %t, want %d, %t", b, got, ok, want, wantOK)
		}
	})
}

var timestampForm = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?$`)

func slowTimestamp(s string) (int64, bool) {
	m := timestampForm.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	if m[3] == "" {
		m[3] = ":00"
	}
	zone := strings.ToUpper(m[4])
	if zone == "" {
		zone = "Z"
	}
	if zone != "Z" && (zone[1:3] > "23" || zone[4:] > "59") {
		return 0, false
	}
	v, err := time.Parse(time.RFC3339Nano, m[1]+"T"+m[2]+m[3]+zone)
	if err != nil {
		return 0, false
	}
	if u := v.UTC(); v.Year() == 0 || u.Year() < 1 || u.Year() > 9999 || u.Nanosecond()%1000 != 0 {
		return 0, false
	}
	return v.UnixMicro(), true
}

func BenchmarkParseTimestamp(b *testing.B) {
	for _, s := range []string{"2026-07-28T12:34:56Z", "2026-07-28T12:34:56.123456+02:00"} {
		b.Run(s, func(b *testing.B) {
			text := []byte(s)
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := ParseTimestamp(text); !ok {
					b.Fatal("not ok")
				}
			}
		})
	}
}
