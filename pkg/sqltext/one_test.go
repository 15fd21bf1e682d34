package sqltext

import "testing"

func TestOne(t *testing.T) {
	for _, tt := range []struct {
		sql, want string
	}{
		{"select 1", "select 1"},
		{"select 1;", "select 1"},
		{"select 1;;\n ; ", "select 1"},
		{";; select 1", " select 1"},
		{"select 1 ; -- note", "select 1 "},
		{"select 1; /* note; */ -- note", "select 1"},
		{"select 1 -- note", "select 1 -- note"},
		{"select 1 -- note; here\n;", "select 1 -- note; here\n"},
		{"select 1 -- note\r;", "select 1 -- note\r"},
		{"/* ; */; select 1", " select 1"},
		{"-- note\nselect 1;", "-- note\nselect 1"},
		{"select 1;\u2003\ufeff\f\t", "select 1"},
		{"select 1;\u00a0", "select 1"},

		{"select ';'", "select ';'"},
		{"select ';' ;", "select ';' "},
		{"select ''';' ;", "select ''';' "},
		{`select '\';`, `select '\'`},
		{`select E'\';' ;`, `select E'\';' `},
		{`select e'\\';`, `select e'\\'`},
		{"select e'''\\'' ;", "select e'''\\'' "},
		{"select e'a'\n'\\';' ;", "select e'a'\n'\\';' "},
		{"select e'a' -- x\n -- y\r '\\';' ;", "select e'a' -- x\n -- y\r '\\';' "},
		{`select e'a' '\';`, `select e'a' '\'`},
		{"select e'a' /* \n */ '\\';", "select e'a' /* \n */ '\\'"},
		{`select somee'\';`, `select somee'\'`},
		{"select\u2003e'\\';' ;", "select\u2003e'\\';' "},
		{`select "a;""b" ;`, `select "a;""b" `},
		{"select $$;$$ ;", "select $$;$$ "},
		{"select $a$ $b$ ; $$ $a$;", "select $a$ $b$ ; $$ $a$"},
		{"select $é1$;$é1$;", "select $é1$;$é1$"},
		{"select a$b$ , c$d$;", "select a$b$ , c$d$"},
		{"select $1, $n, $1$$;$$;", "select $1, $n, $1$$;$$"},
		{"select $n;", "select $n"},
		{"select 1 /* /* ; */ ; */;", "select 1 /* /* ; */ ; */"},
		{"select 1 /*/ ; */;", "select 1 /*/ ; */"},
		{"select 2*/* ; */3;", "select 2*/* ; */3"},
		{"select 1 - - 1;", "select 1 - - 1"},
		{"select (1), ((2)) ;", "select (1), ((2)) "},

		{"from a join b on true;", "from a join b on true"},
		{"select * from (a join b on true)", "select * from (a join b on true)"},
		{"select (select 1 from a join b on true)", "select (select 1 from a join b on true)"},
		{"select 1 as join, t.join, t . Join", "select 1 as join, t.join, t . Join"},
		{"select 'a join b'", "select 'a join b'"},
		{`select "join"`, `select "join"`},

		{"", ""}, {" ;; ", ""}, {"-- nothing", ""}, {"/* nothing */;", ""},
		{"select 1; select 2", ""}, {"select 1; select 2 --", ""}, {"select 1; x", ""}, {"select 1;\v", ""},
		{"select 1) t; drop table x; --", ""}, {"select 1) a, (select 2", ""}, {"select 1)", ""}, {"(select 1", ""}, {"select (1;)", ""}, {"select 1; )(", ""},
		{"select '", ""}, {"select ''''''' ;", ""}, {`select "`, ""}, {`select e'\'`, ""}, {`select e'\`, ""}, {"select e'a'\n'b", ""},
		{"select $$ ; $a$", ""}, {"select $a$ $A$", ""}, {"select /* 1", ""}, {"select /* /* */ 1", ""}, {"select /*/", ""}, {"select 1; /*", ""},
		{"a join b on true", ""}, {"((select 1 from x) a Join b on true)", ""}, {"(select 1) a cross join b", ""},
	} {
		if got, ok := One(tt.sql); got != tt.want || ok != (tt.want != "") {
			t.Errorf("One(%q)\n got %q, %t\nwant %q", tt.sql, got, ok, tt.want)
		}
	}
}

// FuzzOne: what it gives is a part of the text, and it would give the same of that again.
func FuzzOne(f *testing.F) {
	for _, seed := range []string{"select 1;", "select e'\\'' ;--", "$a$;$a$", "(/* ( */)", "\"", "'\xff", "\u00a0;", "a join b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		one, ok := One(sql)
		if !ok {
			if one != "" {
				t.Fatalf("One(%q): got %q, and that there is none", sql, one)
			}
			return
		}
		for _, same := range []string{one, one + "\n", one + "\n; -- x", ";" + one + "\n; /* ; */;"} {
			if again, ok := One(same); !ok || again != one && again != one+"\n" {
				t.Fatalf("One(%q)\n got %q, %t\nwant %q", same, again, ok, one)
			}
		}
	})
}
