package postgrest

import "strings"

// wantsCount reports whether a Prefer header asks for the number of all rows. A database that has no estimates counts
// for planned and estimated too: the exact number is the best of them. Other preferences are left to the caller.
func wantsCount(prefer string) bool {
	for preference := range strings.FieldsFuncSeq(prefer, func(c rune) bool { return c == ',' || c == ';' }) {
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "count") {
			continue
		}
		switch strings.Trim(value, " \t\"") {
		case "exact", "planned", "estimated":
			return true
		}
	}
	return false
}
