package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// MaxName is the longest name of a table or qualifier, in bytes.
const MaxName = 127

// Table names a table: name, or qualifier.name, where the qualifier is what the database calls a schema, dataset or
// database. ParseTable is the only way to make one that is not empty, so a Table is safe in a path and a blob key.
type Table struct {
	qualifier string
	name      string
}

// ParseTable reads a table's name. Letters, digits, '_', '-' and inner spaces, 1 to 127 bytes a part.
func ParseTable(s string) (Table, error) {
	qualifier, name, found := strings.Cut(s, ".")
	if !found {
		qualifier, name = "", s
	}
	if err := checkPart(s, name); err != nil {
		return Table{}, err
	}
	if found {
		if err := checkPart(s, qualifier); err != nil {
			return Table{}, err
		}
	}
	return Table{qualifier, name}, nil
}

func checkPart(whole, part string) error {
	if part == "" || len(part) > MaxName {
		return fault.New(fault.Invalid, "bad_table_name",
			"table name %.140q: each part must have 1 to %d bytes, has %d", whole, MaxName, len(part))
	}
	if part[0] == ' ' || part[len(part)-1] == ' ' {
		return fault.New(fault.Invalid, "bad_table_name", "table name %.140q: a space at the edge is not allowed", whole)
	}
	for i, c := range part {
		if !nameRune(c) {
			return fault.New(fault.Invalid, "bad_table_name",
				"table name %.140q: %q at byte %d is not a letter, digit, '_', '-' or space", whole, c, i)
		}
	}
	return nil
}

func nameRune(c rune) bool {
	return c == '_' || c == '-' || c == ' ' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Name is the table's own name.
func (t Table) Name() string { return t.name }

// Qualifier is the part before the dot, empty when there was none.
func (t Table) Qualifier() string { return t.qualifier }

// IsZero reports whether t names no table.
func (t Table) IsZero() bool { return t.name == "" }

// String gives the name as ParseTable reads it.
func (t Table) String() string {
	if t.qualifier == "" {
		return t.name
	}
	return t.qualifier + "." + t.name
}

// MarshalText writes the name.
func (t Table) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the name by ParseTable's rules.
func (t *Table) UnmarshalText(b []byte) (err error) {
	*t, err = ParseTable(string(b))
	return err
}

// TableOfKey gives the table for the rows of a JSON key, below qualifier. What may not be in a table's name becomes '_',
// and a name that is too long is cut and ends with a hash of the key, so that any key has its table.
func TableOfKey(qualifier, key string) Table {
	name := strings.Map(func(c rune) rune {
		if nameRune(c) {
			return c
		}
		return '_'
	}, key)
	if len(name) > MaxName {
		sum := sha256.Sum256([]byte(key))
		name = name[:MaxName-hashLength] + "_" + hex.EncodeToString(sum[:4])
	}
	if name == "" || name[0] == ' ' {
		name = "_" + name[min(len(name), 1):]
	}
	if name[len(name)-1] == ' ' {
		name = name[:len(name)-1] + "_"
	}
	return Table{qualifier, name}
}

// hashLength is how many characters tell two long names apart that begin alike: '_' and 8 hex digits.
const hashLength = 9
