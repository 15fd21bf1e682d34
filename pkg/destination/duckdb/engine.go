package duckdb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/durable"
)

// queryConnections is how many queries run at once; more wait. How many may is package query's to say: this is only so many
// that it never decides.
const queryConnections = 64

// engine is one opened database.
type engine struct {
	db      mapping.Database
	unlock  func() error
	catalog string // the engine's own name of the database
	cfg     Config
	// Each has connections of its own, so none waits for another: loads and changes of tables; looks at tables; queries.
	writer, looker, queries *pool

	calls  sync.WaitGroup // calls in progress
	broken atomic.Bool    // the engine refuses all work until the file is opened again
	pruned time.Time      // when the ledger was last pruned; guarded by holding writer
}

func openEngine(ctx context.Context, cfg Config) (*engine, error) {
	path, unlock, err := placeOf(cfg)
	if err != nil {
		return nil, err
	}
	e := &engine{unlock: unlock, cfg: cfg}
	for _, log := range logsOf(path) {
		if err := cutLog(log); err != nil {
			return nil, errors.Join(fmt.Errorf("open DuckDB file %s: %w", path, err), unlock())
		}
	}
	if err := e.open(path, cfg); err != nil {
		return nil, errors.Join(whyNotOpened(path, err), unlock())
	}
	e.writer, e.looker, e.queries = newPool(e.db, 1), newPool(e.db, 1), newPool(e.db, queryConnections)
	if err := e.prepare(ctx, cfg, path); err != nil {
		return nil, errors.Join(fmt.Errorf("open DuckDB file %s: %w", path, err), e.close())
	}
	return e, nil
}

// inMemory is the engine's name for no file.
const inMemory = ":memory:"

// placeOf makes the file's folder and takes the file for this process.
func placeOf(cfg Config) (path string, unlock func() error, err error) {
	if cfg.InMemory {
		return inMemory, func() error { return nil }, nil
	}
	path, err = filepath.Abs(cfg.File)
	if err != nil {
		return "", nil, err
	}
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return "", nil, fmt.Errorf("make the folder of DuckDB file %s: %w", path, err)
	}
	// The engine opens what a link leads to, and then refuses itself the log beside that.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	unlock, err = lockFile(path)
	return path, unlock, err
}

func (e *engine) open(path string, cfg Config) error {
	var config mapping.Config
	if mapping.CreateConfig(&config) == mapping.StateError {
		return errors.New("the engine gives no configuration")
	}
	defer mapping.DestroyConfig(&config)
	for _, s := range append(sizing(cfg, path), lockdown()...) {
		if mapping.SetConfig(config, s.name, s.value) == mapping.StateError {
			return fmt.Errorf("the engine does not take %q for its setting %s", s.value, s.name)
		}
	}
	var text string
	if mapping.OpenExt(path, &e.db, config, &text) == mapping.StateError {
		return newEngineError(text)
	}
	return nil
}

// setting is one of the engine's settings, with its value as the engine prints it.
type setting struct{ name, value string }

// blockSize is that of files that we make, in bytes. While rows are appended the engine holds blocks for each column, and
// with its own of 256 KiB a table of 1,500 columns does not fit half a gigabyte: docs/adr/0007-duckdb-memory.md.
const blockSize = 16 << 10

// sizing is what the configuration says. temp_directory cannot be set once external access is off, so it comes first.
func sizing(cfg Config, path string) []setting {
	s := []setting{{"default_block_size", strconv.Itoa(blockSize)}, {"memory_limit", cfg.MemoryLimit}, {"checkpoint_threshold", cfg.CheckpointThreshold}, tempDirectory(path)}
	if cfg.Threads > 0 {
		s = append(s, setting{"threads", strconv.Itoa(cfg.Threads)})
	}
	return s
}

// tempDirectory is where queries spill what does not fit memory; without a file they never spill.
func tempDirectory(path string) setting {
	if path == inMemory {
		return setting{"temp_directory", ""}
	}
	return setting{"temp_directory", path + ".tmp"}
}

// lockdown closes what a query could use to leave the database. These hold for every connection.
func lockdown() []setting {
	return []setting{
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"allow_unsigned_extensions", "false"},
		{"allow_persistent_secrets", "false"},
		{"enable_external_access", "false"},
	}
}

// locked are the settings that are read back before anybody may ask a query.
func locked(path string) []setting {
	return append(lockdown(), tempDirectory(path), setting{"TimeZone", "UTC"}, setting{"lock_configuration", "true"})
}

// prepare makes what the driver needs in the database, locks the configuration, and refuses to go on unless the
// engine's own answer says that it is locked.
func (e *engine) prepare(ctx context.Context, cfg Config, path string) error {
	w, err := e.writer.take(ctx)
	if err != nil {
		return err
	}
	defer e.writer.put(w)
	if err := e.nameCatalog(w); err != nil {
		return err
	}
	if err := e.makeLedger(ctx, w); err != nil {
		return err
	}
	for _, sql := range [...]string{"SET GLOBAL TimeZone = 'UTC'", "SET GLOBAL lock_configuration = true"} {
		if err := w.exec(sql); err != nil {
			return err
		}
	}
	q, err := e.queries.take(ctx)
	if err != nil {
		return err
	}
	defer e.queries.put(q)
	return verify(q, locked(path))
}

func (e *engine) nameCatalog(c *conn) error {
	rows, err := c.rows("SELECT current_database()")
	if err != nil {
		return err
	}
	e.catalog = rows[0][0]
	return nil
}

// verify reads settings back on c and reports each that is not as it must be.
func verify(c *conn, want []setting) error {
	rows, err := c.rows("SELECT name, value FROM duckdb_settings()")
	if err != nil {
		return fmt.Errorf("read the engine's settings back: %w", err)
	}
	got := make(map[string]string, len(rows))
	for _, row := range rows {
		got[row[0]] = row[1]
	}
	var errs []error
	for _, s := range want {
		if got[s.name] != s.value {
			errs = append(errs, fmt.Errorf("the engine's setting %s is %q, must be %q", s.name, got[s.name], s.value))
		}
	}
	return errors.Join(errs...)
}

// done notes what err says of the engine, and ends a call.
func (e *engine) done(err error) {
	if invalidates(err) {
		e.broken.Store(true)
	}
	e.calls.Done()
}

// close waits for the calls in progress and frees the engine.
func (e *engine) close() error {
	e.calls.Wait()
	e.queries.close()
	e.looker.close()
	e.writer.close()
	mapping.Close(&e.db)
	return e.unlock()
}

// whyNotOpened adds what a person can do. The driver never removes or replaces a file.
func whyNotOpened(path string, err error) error {
	hints := [...]struct{ text, hint string }{
		{"Could not set lock", "another process has it open: stop that process, or give this destination a file of its own"},
		{"not a valid DuckDB database file", "it is something else: move it away, or set file to another path"},
		{"Loading external extensions is disabled", "it is something else: move it away, or set file to another path"},
		{"Failed to download extension", "it is something else: move it away, or set file to another path"},
		{"but we can only read version", "it was written by another version of DuckDB than " + mapping.LibraryVersion() +
			": use a Scratch Data with that version, or export it there and import it here"},
		{"Permission denied", "let this user read and write the file and its folder"},
		{"Is a directory", "it is a folder: set file to the path of a file"},
		{"Corrupt database file", "it is damaged: bring back a copy, or set file to another path"},
		{"Could not read enough bytes", "it is cut short: bring back a copy, or set file to another path"},
	}
	for _, h := range hints {
		if strings.Contains(err.Error(), h.text) {
			return fmt.Errorf("open DuckDB file %s: %s; the file was left as it is (%w)", path, h.hint, err)
		}
	}
	return fmt.Errorf("open DuckDB file %s: the file was left as it is: %w", path, err)
}
