package schema

import (
	"encoding/json"
	"testing"
)

func kinds(list ...Kind) (s Kinds) {
	for _, k := range list {
		s = s.With(k)
	}
	return s
}

func TestJoin(t *testing.T) {
	for _, tt := range []struct {
		in   Kinds
		want Kind
	}{
		{kinds(), Null},
		{kinds(Null), Null},
		{kinds(Bool), Bool},
		{kinds(Int), Int},
		{kinds(Float), Float},
		{kinds(Timestamp), Timestamp},
		{kinds(Date), Date},
		{kinds(Text), Text},
		{kinds(Nested), Nested},
		{kinds(Bool, Int), Int},
		{kinds(Bool, Float), Float},
		{kinds(Int, Float), Float},
		{kinds(Bool, Int, Float), Float},
		{kinds(Bool, Text), Text},
		{kinds(Int, Text), Text},
		{kinds(Float, Text), Text},
		{kinds(Timestamp, Date), Text},
		{kinds(Timestamp, Text), Text},
		{kinds(Timestamp, Int), Text},
		{kinds(Date, Bool), Text},
		{kinds(Date, Text), Text},
		{kinds(Nested, Text), Text},
		{kinds(Nested, Int), Text},
		{kinds(Bool, Int, Float, Timestamp, Date, Text, Nested), Text},
	} {
		t.Run(tt.in.String(), func(t *testing.T) {
			if got := tt.in.Join(); got != tt.want {
				t.Errorf("Join got %v, want %v", got, tt.want)
			}
			if got := tt.in.With(Null).Join(); got != tt.want {
				t.Errorf("Join with null got %v, want %v", got, tt.want)
			}
		})
	}
}

// Which batch comes first must not matter: joining is a matter of sets, and never goes down.
func TestJoinNeverGoesDown(t *testing.T) {
	rank := map[Kind]int{Null: 0, Bool: 1, Int: 2, Float: 3, Timestamp: 3, Date: 3, Nested: 3, Text: 4}
	for a := Kinds(0); a < 1<<Foreign; a++ {
		for k := Null; k < Foreign; k++ {
			if before, after := a.Join(), a.With(k).Join(); rank[after] < rank[before] {
				t.Fatalf("%v joins to %v, with %v to %v", a, before, k, after)
			}
		}
	}
}

func TestKinds(t *testing.T) {
	s := kinds(Null, Int, Foreign)
	for k := Null; k <= Foreign; k++ {
		want := k == Null || k == Int || k == Foreign
		if got := s.Has(k); got != want {
			t.Errorf("Has(%v) got %t, want %t", k, got, want)
		}
	}
	if got, want := s.String(), "null|int|foreign"; got != want {
		t.Errorf("String got %q, want %q", got, want)
	}
	if got := kinds().String(); got != "" {
		t.Errorf("String of no kinds got %q, want none", got)
	}
}

// Seen travels in messages and side files, so its form must stay.
func TestSeenJSON(t *testing.T) {
	in := Seen{Name: "a\"b", Kinds: kinds(Int, Float)}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), `{"name":"a\"b","kinds":12}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var out Seen
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("got %+v, %v, want %+v", out, err, in)
	}
}
