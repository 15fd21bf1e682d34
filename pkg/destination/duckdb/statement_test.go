package duckdb

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/sqltext"
)

// pieces of SQL that mislead whoever does not read it as the engine does. White space beyond ASCII is not among them: the engine
// replaces it beforehand, and loses its way there in nested comments and in strings with a tag that are not closed.
var pieces = []string{
	"select 1", "select ", "from victim", "victim", "values (1)", "with x as (select 1) ", " union all ", " limit 1", " join victim v on true", " as a", " as join",
	"1", "a", "e", "+", "-", "*", "/", ",", ".", "(", ")", ";", ";", "; ", " ", "\n", "\r", "\t", "\f", "é", "::bit", "bit '1'",
	"--", "-- ;\n", "-- '\r", "/*", "*/", "/* ; */", "/* /* ' */ */", "/*/",
	"'", "''", "';'", `'\'`, "\"", `""`, `"a;"`, "e'", `E'\';'`, `e'\\'`, "e'a'\n", "e'a' -- x\n", "x'", `\`, `\'`, "$", "$$", "$$;$$", "$a$", "$a$;$a$", "$é$", "$1",
}

// wantSame checks what sqltext.One makes of sql against the engine: what it gives runs in parentheses if, and only if, sql runs
// alone, and it finds one statement in everything that runs.
func wantSame(t *testing.T, d *Destination, sql string) (ran bool) {
	t.Helper()
	runs := func(sql string) bool { return d.Query(t.Context(), sql, nil, &destinationtest.Rows{}) == nil }
	ran = runs(sql)
	statement, ok := sqltext.One(sql)
	switch {
	case ok && runs("SELECT * FROM (\n"+statement+"\n) AS q") != ran:
		t.Errorf("%q runs: %t; not so in parentheses: %q", sql, ran, statement)
	case !ok && ran:
		t.Errorf("%q runs, but nothing was found in it", sql)
	}
	return ran
}

// scramble puts pieces together as the bytes of seed say.
func scramble(seed []byte) string {
	var b strings.Builder
	for _, c := range seed {
		b.WriteString(pieces[int(c)%len(pieces)])
	}
	return b.String()
}

func FuzzOneStatement(f *testing.F) {
	for _, seed := range []string{"\x00\x16\x2b", "\x01\x32\x16", "\x00\x28\x16\x27"} {
		f.Add([]byte(seed))
	}
	cfg := DefaultConfig()
	cfg.InMemory = true
	d := openWith(f, cfg)
	d.sql(f, "CREATE TABLE victim AS SELECT 'secret' AS secret")
	f.Fuzz(func(t *testing.T, seed []byte) {
		if len(seed) <= 12 {
			wantSame(t, d, scramble(seed))
		}
	})
}

// TestRandomStatements is a run of the fuzz test that always is the same.
func TestRandomStatements(t *testing.T) {
	d := withVictim(t)
	random := rand.New(rand.NewPCG(1, 2))
	ran := 0
	for range 4000 {
		seed := make([]byte, 1+random.IntN(6))
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		begin := []string{"select 1 ", "select ", "", "select ';' "}[random.IntN(4)]
		if wantSame(t, d, begin+scramble(seed)) {
			ran++
		}
	}
	t.Logf("%d of 4000 ran", ran)
	if ran < 300 {
		t.Errorf("%d of 4000 ran: the test compares too little", ran)
	}
}

func TestHostileStatements(t *testing.T) {
	d := withVictim(t)
	for _, tt := range []struct {
		sql  string
		runs bool
	}{
		{"select ';'", true}, {"select 1;;", true}, {"select $$;$$ ;", true}, {"select 1; -- note", true}, {"select 1 -- note", true},
		{"select 1 /* ; */ ; /* -- */ -- x", true}, {`select e'\';' ; -- '`, true}, {"select e'a' -- ;\n'\\';' ;;", true}, {"; select 1", true},
		{"select 1 as join;", true}, {"from victim a join victim b on true; --", true}, {"describe victim;", true}, {"(select 1); --", true},
		{"select 1 /* /* */; drop table victim; */", true}, {"select '; drop table victim; --' ;", true},
		{"select 1; select 2 --", false}, {"select 1) t; drop table victim; --", false}, {"select 1) t, (select 2", false}, {"select 1) t --", false},
		{"select 1 -- \r; drop table victim", false}, {"select '\\'; drop table victim; --'", false}, {"select e'\\\\'; drop table victim; --'", false},
		{"select 1 /* */; drop table victim; */", false}, {"select $a$;$$; drop table victim; $$", false}, {"victim a join victim b on true", false},
		{"((select 1) a join victim b on true)", false}, {"", false}, {";", false}, {"-- x", false},
	} {
		if got := wantSame(t, d, tt.sql); got != tt.runs {
			t.Errorf("%q runs: %t, want %t", tt.sql, got, tt.runs)
		}
	}
	wantVictim(t, d)
}

// Columns that are sent as text need SQL around the query, whatever it ends with; and that SQL is looked through as any is.
func TestOddColumnsOfHostileStatements(t *testing.T) {
	d := withVictim(t)
	for _, sql := range []string{"select bit '101' as b", "select bit '101' as b;", "select bit '101' as b ; -- note", "select bit '101' as b -- note; x",
		"select bit '101' as b /* ; */;; /* ' */", "/* ; */; select $$101$$::bit as b;", `select e'101'::bit as "b;--";`, "select '101'::bit as b; \u2003\ufeff"} {
		wantAnswer(t, d, sql, "101")
	}
	for _, sql := range []string{"select bit '1'; drop table victim", "select bit '1') q; drop table victim; --", "select bit '1') q(c0), (select content from read_text('/etc/passwd')"} {
		if err := d.Query(t.Context(), sql, nil, &destinationtest.Rows{}); fault.Of(err) != fault.Denied && fault.Of(err) != fault.Invalid {
			t.Errorf("%q: got %v, want it refused", sql, err)
		}
	}
	wantVictim(t, d)
}
