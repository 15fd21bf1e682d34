package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is the settings of a control store in Postgres.
type Config struct {
	DSN          secret.String `yaml:"dsn"`            // a URL, or words as host=… user=…
	Schema       string        `yaml:"schema"`         // of the tables, made when it is missing; empty: the first of the connection's search_path
	MaxOpenConns int           `yaml:"max_open_conns"` // of this process
}

// DefaultConfig returns the settings used when nothing is given.
func DefaultConfig() Config { return Config{MaxOpenConns: 10} }

// maxSchema is how long a name may be in Postgres, in bytes. A longer one would be cut without an error.
const maxSchema = 63

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if c.DSN == "" {
		errs = append(errs, errors.New("dsn: must not be empty: it is like postgres://user:password@host:5432/database"))
	} else if _, err := c.parse(); err != nil {
		errs = append(errs, fmt.Errorf("dsn: %w", err))
	}
	if len(c.Schema) > maxSchema || strings.ContainsRune(c.Schema, 0) || strings.HasPrefix(c.Schema, "pg_") {
		errs = append(errs, fmt.Errorf("schema: %.80q must be up to %d bytes, and not begin with pg_", c.Schema, maxSchema))
	}
	if c.MaxOpenConns < 1 {
		errs = append(errs, fmt.Errorf("max_open_conns: %d is less than 1", c.MaxOpenConns))
	}
	return errors.Join(errs...)
}

var (
	errUnreadable = errors.New("it is neither a URL like postgres://user:password@host:5432/database, where a password has / as %2F, " +
		"@ as %40, # as %23, % as %25 and so on, nor words like host=… user=… password='…' dbname=…")
	errMode = errors.New("default_query_exec_mode=exec and simple_protocol cannot be used, as they take bytes for text: cache_describe " +
		"is for poolers that keep no prepared statements")
)

// parse reads the DSN. Its errors never say the password.
func (c Config) parse() (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(c.DSN.Reveal())
	if err != nil {
		return nil, mistake(err)
	}
	if strings.Contains(cfg.ConnConfig.Host, "@") { // it is the end of a password, which errors of connecting would say
		return nil, errUnreadable
	}
	if m := cfg.ConnConfig.DefaultQueryExecMode; m == pgx.QueryExecModeExec || m == pgx.QueryExecModeSimpleProtocol {
		return nil, errMode
	}
	return cfg, nil
}

// mistake gives the library's words about a DSN without any of the DSN. Of one that it could not take apart it may have
// taken a piece of the password for something else and say that, so these get words of our own.
func mistake(err error) error {
	var parse *pgconn.ParseConfigError
	if !errors.As(err, &parse) {
		return errUnreadable
	}
	masked := *parse
	masked.ConnString = "…"
	text := strings.TrimPrefix(masked.Error(), "cannot parse `…`: ")
	if strings.Contains(text, "failed to parse as") || strings.Contains(text, "invalid port") {
		return errUnreadable
	}
	return errors.New(text)
}
