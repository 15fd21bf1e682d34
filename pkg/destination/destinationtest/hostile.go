package destinationtest

import "strings"

// Hostile gives texts that would do harm, or be lost, where they are not quoted.
func Hostile() []string {
	return []string{
		`"`, `""`, `'`, `''`, "`", `\`, `\"`, `;`, `--`, `/*`, `*/`, `$1`, `?`, `%s`, `{}`, `[]`, `,`, `)`, `(`, `=`, `:a`,
		`"; DROP TABLE victim; --`, `'; DROP TABLE victim; --`, `x" VARCHAR); DROP TABLE victim; --`, `a" INTEGER DEFAULT (SELECT 1)`,
		`1 UNION SELECT secret FROM victim`, `' || (SELECT secret FROM victim) || '`, `$$; DROP TABLE victim; $$`, `x'); DELETE FROM victim; --`,
		"\n; DROP TABLE victim", "\r\n", "\t", " ", " lead", "trail ", "\u2028", "\u00a0", "\u200b", "\x01\x1f\x7f", "\ufeff",
		"select", "SELECT *", "table", "null", "default", "rowid", "__proto__", "main.victim", "victim", "a.b", "*", "1", "-1",
		"c0", "temp", "😀", "👩‍👩‍👧", "日本語", "é", "e\u0301", "ß", "İ", "ı", "K",
		"a\x00b", strings.Repeat("x", 255), strings.Repeat("y", 300), strings.Repeat("z", 300) + "1", strings.Repeat("z", 300) + "2",
		strings.Repeat("ä", 150), strings.Repeat("😀", 75) + `"; DROP TABLE victim; --`, strings.Repeat(`"`, 300), "",
	}
}
