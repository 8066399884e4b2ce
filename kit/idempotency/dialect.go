package idempotency

import "fmt"

// Dialect is the SQL that a database understands.
type Dialect uint8

const (
	SQLite   Dialect = iota + 1 // SQLite 3.38 or newer; tested with modernc.org/sqlite
	Postgres                    // PostgreSQL 12 or newer; tested with pgx's database/sql driver
)

func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "sqlite"
	case Postgres:
		return "postgres"
	}
	return fmt.Sprintf("dialect %d", uint8(d))
}

// Schema returns the statements that create the table idempotency_keys and its index, if they are not there. Put them into
// your migrations, in the database that the effects write to. It panics for an unknown dialect.
func Schema(d Dialect) string {
	s, ok := dialects[d]
	if !ok {
		panic("idempotency: no schema for " + d.String())
	}
	return s.schema
}

// statements are what a Store says to its database. Times are Unix seconds of the database's clock, so that nodes with
// wrong clocks agree. A row with status 0 is a claim; nobody but its own transaction ever sees one.
type statements struct {
	schema string
	// claim takes the key if it is free or expired and returns a row if it did. Arguments: caller, key, fingerprint, TTL in
	// seconds, and where lock is set the number of the key's lock.
	claim string
	lock  bool
	// find returns what is recorded under a caller and key, and nothing when that has expired.
	find string
	// record sets status, header and body of the claim of a caller and key.
	record string
	// sweep deletes so many expired rows at most.
	sweep string
}

var dialects = map[Dialect]statements{
	SQLite: {
		schema: `CREATE TABLE IF NOT EXISTS idempotency_keys (
	caller      TEXT    NOT NULL,
	key         TEXT    NOT NULL,
	fingerprint BLOB    NOT NULL,
	status      INTEGER NOT NULL, -- of the recorded answer
	header      BLOB    NOT NULL, -- as on the wire
	body        BLOB    NOT NULL,
	expires     INTEGER NOT NULL, -- Unix seconds
	PRIMARY KEY (caller, key)
);
CREATE INDEX IF NOT EXISTS idempotency_keys_expires ON idempotency_keys (expires);
`,
		// The statement waits for the file's write lock, so whoever gets to run it meets no claim of others.
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
	status      integer NOT NULL, -- of the recorded answer
	header      bytea   NOT NULL, -- as on the wire
	body        bytea   NOT NULL,
	expires     bigint  NOT NULL, -- Unix seconds
	PRIMARY KEY (caller, key)
);
CREATE INDEX IF NOT EXISTS idempotency_keys_expires ON idempotency_keys (expires);
`,
		// Whoever inserts a key that another transaction has just inserted would wait for that one's end, with a connection
		// in hand. The lock, which ends with the transaction, says so at once. It only saves the wait: should two keys share
		// a number, one of them waits for nothing; and the primary key alone makes keys unique.
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
