package idempotency

import "fmt"

// Dialect is the variant of SQL that a database understands.
type Dialect uint8

const (
	SQLite   Dialect = iota + 1 // SQLite 3.38 or newer; tested with modernc.org/sqlite
	Postgres                    // PostgreSQL 12 or newer; tested with pgx's database/sql driver
)

// String returns "sqlite" or "postgres".
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "sqlite"
	case Postgres:
		return "postgres"
	}
	return fmt.Sprintf("dialect %d", uint8(d))
}

// Schema returns the statements that create the table idempotency_keys and its index, unless they exist. Add them to
// your migrations, in the database that the effects write to. Schema panics if the dialect is unknown.
func Schema(d Dialect) string {
	s, ok := dialects[d]
	if !ok {
		panic("idempotency: no schema for " + d.String())
	}
	return s.schema
}

// statements are the queries of a Store. Times are Unix seconds of the database's clock, so that nodes with wrong
// clocks agree. A row with status 0 is a claim. Only its own transaction sees it, unless an effect commits.
type statements struct {
	schema string
	// claim writes a claim and returns a row, if the key is free or expired. Otherwise it returns no row. Arguments:
	// caller, key, fingerprint, TTL in seconds; if lock is set, also the number of the key's lock.
	claim string
	lock  bool
	// find returns the record of a caller and key, or no row if it has expired.
	find string
	// record writes status, header and body to the claim of a caller and key.
	record string
	// sweep deletes expired rows. Argument: how many at most.
	sweep string
}

var dialects = map[Dialect]statements{
	SQLite: {
		schema: `CREATE TABLE IF NOT EXISTS idempotency_keys (
	caller      TEXT    NOT NULL,
	key         TEXT    NOT NULL,
	fingerprint BLOB    NOT NULL,
	status      INTEGER NOT NULL, -- of the recorded response
	header      BLOB    NOT NULL, -- in the format of HTTP/1.1
	body        BLOB    NOT NULL,
	expires     INTEGER NOT NULL, -- Unix seconds
	PRIMARY KEY (caller, key)
);
CREATE INDEX IF NOT EXISTS idempotency_keys_expires ON idempotency_keys (expires);
`,
		// The statement waits for the write lock of the file, so it never meets the claim of another transaction.
		claim: `INSERT INTO idempotency_keys (caller, key, fingerprint, status, header, body, expires)
VALUES (?, ?, ?, 0, x'', x'', unixepoch() + ?)
ON CONFLICT (caller, key) DO UPDATE
	SET fingerprint = excluded.fingerprint, status = 0, header = x'', body = x'', expires = excluded.expires
	WHERE idempotency_keys.expires <= unixepoch()
RETURNING 1`,
		find: `SELECT fingerprint, status, header, body FROM idempotency_keys
WHERE caller = ? AND key = ? AND expires > unixepoch()`,
		record: `UPDATE idempotency_keys SET status = ?, header = ?, body = ? WHERE caller = ? AND key = ? AND status = 0`,
		sweep: `DELETE FROM idempotency_keys WHERE (caller, key) IN (
	SELECT caller, key FROM idempotency_keys WHERE expires <= unixepoch() ORDER BY expires LIMIT ?)`,
	},
	Postgres: {
		schema: `CREATE TABLE IF NOT EXISTS idempotency_keys (
	caller      text    COLLATE "C" NOT NULL,
	key         text    COLLATE "C" NOT NULL,
	fingerprint bytea   NOT NULL,
	status      integer NOT NULL, -- of the recorded response
	header      bytea   NOT NULL, -- in the format of HTTP/1.1
	body        bytea   NOT NULL,
	expires     bigint  NOT NULL, -- Unix seconds
	PRIMARY KEY (caller, key)
);
CREATE INDEX IF NOT EXISTS idempotency_keys_expires ON idempotency_keys (expires);
`,
		// Without the lock, an INSERT of a key that another transaction has just inserted would wait for the end of
		// that transaction, and would hold a connection. The advisory lock ends with its transaction, and an attempt to
		// take it returns at once. It only avoids the wait: the primary key makes keys unique. If two keys have the
		// same lock number, one of them waits without need.
		claim: `INSERT INTO idempotency_keys (caller, key, fingerprint, status, header, body, expires)
SELECT $1::text, $2::text, $3::bytea, 0, '', '', extract(epoch FROM now())::bigint + $4::bigint
WHERE pg_try_advisory_xact_lock($5::bigint)
ON CONFLICT (caller, key) DO UPDATE
	SET fingerprint = excluded.fingerprint, status = 0, header = '', body = '', expires = excluded.expires
	WHERE idempotency_keys.expires <= extract(epoch FROM now())::bigint
RETURNING 1`,
		lock: true,
		find: `SELECT fingerprint, status, header, body FROM idempotency_keys
WHERE caller = $1 AND key = $2 AND expires > extract(epoch FROM now())::bigint`,
		record: `UPDATE idempotency_keys SET status = $1, header = $2, body = $3
WHERE caller = $4 AND key = $5 AND status = 0`,
		sweep: `DELETE FROM idempotency_keys WHERE (caller, key) IN (
	SELECT caller, key FROM idempotency_keys WHERE expires <= extract(epoch FROM now())::bigint
	ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED)`,
	},
}
