package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is the settings of a queue in a Postgres database.
type Config struct {
	DSN   secret.String `yaml:"dsn"`   // postgres://user:password@host:port/database, or host=… user=…
	Table string        `yaml:"table"` // made when it is missing; with or without a schema
}

// DefaultConfig returns the settings used when nothing is given. The DSN has no default.
func DefaultConfig() Config { return Config{Table: "scratchdata_queue"} }

// Validate says what is wrong with the settings. It never shows the DSN, which may hold a password.
func (c Config) Validate() error {
	var errs []error
	if c.DSN == "" {
		errs = append(errs, errors.New("dsn: must not be empty: postgres://user:password@host:5432/database"))
	} else if _, err := pgxpool.ParseConfig(c.DSN.Reveal()); err != nil {
		errs = append(errs, errors.New("dsn: is not like postgres://user:password@host:5432/database"))
	}
	if _, err := c.table(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// name is what a table or a schema may be called: more than enough, and at most what Postgres keeps of a name.
var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// table gives the table's name as SQL has it.
func (c Config) table() (string, error) {
	parts := strings.Split(c.Table, ".")
	for _, part := range parts {
		if len(parts) > 2 || !name.MatchString(part) {
			return "", fmt.Errorf("table: %.150q is not a name or a schema and a name, of letters, digits and _", c.Table)
		}
	}
	return pgx.Identifier(parts).Sanitize(), nil
}
