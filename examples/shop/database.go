package shop

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// database is one SQLite file, which any number of processes of one machine may share. Only one connection of all processes writes at a
// time. The writers of this process wait for each other in the pool, which is fair and fast. Then they wait for other
// processes by polling the lock of the file.
type database struct {
	read  *sql.DB
	write *sql.DB
}

// busyTimeout is how long a statement waits for the lock of another process.
const busyTimeout = 5 * time.Second

// databaseReaders is the number of concurrent reads of this process.
const databaseReaders = 8

//go:embed schema.sql
var schema string

//go:embed schema2.sql
var schema2 string

// migrations lead from an empty file to the current schema. user_version of the file is the number of applied migrations.
var migrations = []string{schema, schema2 + idempotency.Schema(idempotency.SQLite)}

func openDatabase(ctx context.Context, file string) (*database, error) {
	db := &database{}
	var err error
	db.write, err = openSQLite(file, "synchronous(full)", "foreign_keys(on)") // a confirmed order is on the disk
	if err == nil {
		db.write.SetMaxOpenConns(1)
		err = db.switchToWAL(ctx)
	}
	if err == nil {
		err = db.migrate(ctx)
	}
	if err == nil {
		db.read, err = openSQLite(file, "query_only(on)")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %q: %w", file, err), db.Close())
	}
	db.read.SetMaxOpenConns(databaseReaders)
	db.read.SetMaxIdleConns(databaseReaders)
	return db, nil
}

func openSQLite(file string, pragmas ...string) (*sql.DB, error) {
	query := url.Values{
		"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}, pragmas...),
		"_txlock": {"immediate"}, // a writing transaction waits for the lock at its start
	}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: query.Encode()}
	return sql.Open("sqlite", dsn.String())
}

// switchToWAL lets readers work at the same time as a writer. The file keeps this mode. SQLite does not wait for the lock in this one
// statement, so it is repeated while another node runs it.
func (db *database) switchToWAL(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	for {
		_, err := db.write.ExecContext(ctx, "PRAGMA journal_mode = wal")
		if !isBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// isBusy reports that another connection or process kept the file locked.
func isBusy(err error) bool {
	const primaryCode = 0xff
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&primaryCode == sqlite3.SQLITE_BUSY
}

// migrate applies the missing migrations in one transaction. Other nodes that start at the same time wait for it.
func (db *database) migrate(ctx context.Context) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("the schema has version %d, this program supports version %d", version, len(migrations))
	}
	for _, statements := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, statements); err != nil {
			return err
		}
	}
	if version == 0 {
		if err := seed(ctx, tx); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations))); err != nil {
		return err
	}
	return tx.Commit()
}

// seed fills an empty shop: the first products, and the key that signs the tokens of all nodes.
func seed(ctx context.Context, tx *sql.Tx) error {
	for _, p := range seedProducts {
		_, err := tx.ExecContext(ctx,
			"INSERT INTO products (id, category, name, description, price_cents, stock) VALUES (?, ?, ?, ?, ?, ?)",
			p.ID, p.Category, p.Name, p.Description, p.PriceCents, seedStock)
		if err != nil {
			return err
		}
	}
	key := make([]byte, ed25519.SeedSize)
	rand.Read(key)
	_, err := tx.ExecContext(ctx, "INSERT INTO settings (name, value) VALUES ('signing key', ?)", key)
	return err
}

func (db *database) signingKey(ctx context.Context) (ed25519.PrivateKey, error) {
	var key []byte
	err := db.read.QueryRowContext(ctx, "SELECT value FROM settings WHERE name = 'signing key'").Scan(&key)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	if len(key) != ed25519.SeedSize {
		return nil, fmt.Errorf("read signing key: %d bytes in the database, not %d", len(key), ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(key), nil
}

// Ping reads from the file.
func (db *database) Ping(ctx context.Context) error {
	var n int
	return db.read.QueryRowContext(ctx, "SELECT count(*) FROM settings").Scan(&n)
}

func (db *database) Close() error {
	var errs []error
	for _, pool := range []*sql.DB{db.read, db.write} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}
