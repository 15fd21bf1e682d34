package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scratchdata/scratchdata/pkg/pgcommit"
)

// connectTimeout is how long one connection may take to be made, unless the DSN says otherwise, and how long Open waits for
// the first.
const connectTimeout = 10 * time.Second

// connect gives a pool of connections to a database that was looked at, with its tables up to date.
func connect(ctx context.Context, cfg Config, log *slog.Logger) (*pgxpool.Pool, error) {
	c, err := cfg.pool()
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	log = log.With("host", c.ConnConfig.Host, "database", c.ConnConfig.Database)
	if err := prepare(ctx, c.ConnConfig, cfg.Schema, log); err != nil {
		return nil, fmt.Errorf("open database %s of %s: %w", c.ConnConfig.Database, c.ConnConfig.Host, err)
	}
	return pgxpool.NewWithConfig(ctx, c)
}

// pool gives the settings of the pool.
func (c Config) pool() (*pgxpool.Config, error) {
	p, err := c.parse()
	if err != nil {
		return nil, err
	}
	p.MaxConns = int32(min(c.MaxOpenConns, 1<<15)) // more than a server takes
	p.MinConns, p.MinIdleConns = min(p.MinConns, p.MaxConns), min(p.MinIdleConns, p.MaxConns)
	if p.ConnConfig.ConnectTimeout == 0 {
		p.ConnConfig.ConnectTimeout = connectTimeout
	}
	if p.PingTimeout == 0 {
		p.PingTimeout = connectTimeout
	}
	p.ConnConfig.AfterConnect = pgcommit.Wait // or what was said to be kept may be gone after a crash
	p.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID,
			Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
		return nil
	}
	params := p.ConnConfig.RuntimeParams
	// Statements that waited for another see what that has done, whatever is the server's own default.
	params["default_transaction_isolation"] = "read committed"
	if _, given := params["statement_timeout"]; !given {
		params["statement_timeout"] = strconv.FormatInt(statementTimeout.Milliseconds(), 10)
	}
	if _, given := params["application_name"]; !given {
		params["application_name"] = "scratchdata"
	}
	if c.Schema != "" {
		params["search_path"] = pgx.Identifier{c.Schema}.Sanitize()
	}
	return p, nil
}

// prepare looks at the database and brings its tables up to date, on connections of its own.
func prepare(ctx context.Context, cfg *pgx.ConnConfig, schema string, log *slog.Logger) (err error) {
	cfg = cfg.Copy()
	cfg.RuntimeParams["statement_timeout"] = "0" // a change of a large table takes its time
	conn, err := dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		err = errors.Join(err, conn.Close(ctx))
	}()
	if err := look(ctx, conn, log); err != nil {
		return err
	}
	return upToDate(ctx, conn, cfg, schema, log)
}

func dial(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return pgx.ConnectConfig(ctx, cfg)
}

var errReadOnly = errors.New("it takes no writes: it is a standby, or its default_transaction_read_only is on; " +
	"with several hosts in the dsn, target_session_attrs=read-write finds the one that does")

// look says what would make the database unfit.
func look(ctx context.Context, conn *pgx.Conn, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var readOnly string
	if err := conn.QueryRow(ctx, "select current_setting('transaction_read_only')").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly == "on" {
		return errReadOnly
	}
	return pgcommit.Warn(ctx, conn, log)
}
