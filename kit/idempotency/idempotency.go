// Package idempotency gives a request that a client sends several times one effect and one response. The key, the
// effect and the recorded response are written in one database transaction, so a crash cannot leave one without the
// others.
//
// Create the table with [Schema], open a [Store] with [New], and wrap handlers with [Store.Required] or
// [Store.Optional]. A handler gets a transaction and writes everything through it. [Store.Do] does the same without
// HTTP, for example for the messages of a queue. Start [Store.Run] or call [Store.Sweep] regularly: they delete expired
// keys.
//
//	begin -> claim the key -> effect -> record the response -> commit -> respond
//
// If a process dies before the commit, nothing has happened: the key is free, and a retry runs the effect. If it dies
// after the commit, a retry gets the recorded response.
//
// The guarantee covers only what is written through the transaction. A mail or a call to a payment provider inside the
// effect may happen twice. Give such a call a separate key, or write it to a queue table in the same transaction.
//
// Transactions are those of database/sql by default. [NewWith] accepts others, for example those of pgx.
package idempotency

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Options configure a Store. A zero field means its default.
type Options struct {
	// TTL is the time for which a recorded response is available, from the first use of its key and by the database's
	// clock. It is rounded up to whole seconds. A retry after that time is a new request, so TTL must be longer than
	// the time for which any client retries. Default 24h.
	TTL time.Duration
	// Wait is the time that a request waits for another request with the same key, before it gets ErrInFlight. It holds
	// no database connection while it waits. Default 1s; negative for no wait.
	Wait time.Duration
	// Timeout limits a whole call, including the wait. An effect that takes longer is rolled back. Default 30s.
	Timeout time.Duration

	// MaxBody is the limit of a request body in bytes. The body is read into memory before the transaction begins.
	// Default 1 MiB.
	MaxBody int
	// MaxResponse is the limit of a recorded response in bytes, header and body together. Default 1 MiB.
	MaxResponse int

	// Isolation is the isolation level of the transactions that New's Store begins. If claiming the key fails with a
	// serialization error, the claim is tried again. If the effect or the commit fails with one, the call returns
	// ErrUnavailable, because a call runs its effect at most once. Default: the default of the driver.
	Isolation sql.IsolationLevel

	// SweepEvery is the interval in which Run deletes expired keys. Default 1m.
	SweepEvery time.Duration

	// OnError responds to a request that has no response of its handler. Default: [ServeError].
	OnError func(w http.ResponseWriter, r *http.Request, err error)
	// Log gets the errors behind responses with a 5xx status, and the errors of Run. Default: no log.
	Log *slog.Logger
}

// Store keeps keys and responses in one table of a database. T is the type of its transactions: *sql.Tx for a Store of
// New. It is safe for concurrent use, and any number of processes may use the same table.
type Store[T any] struct {
	begin Begin[T]
	sql   statements
	o     Options
	locks keyLocks
	n     counters
}

// New returns a Store in db. The caller closes db. New does no I/O: the table of [Schema] must exist before the first
// call. If o is nil, all options have their defaults. New fails if db is nil, or if d or an option is invalid.
//
// On SQLite, every transaction takes the write lock of the file with its first statement, so effects run one after the
// other. Set a busy_timeout on the connections.
func New(db *sql.DB, d Dialect, o *Options) (*Store[*sql.Tx], error) {
	if db == nil {
		return nil, errors.New("open idempotency store: no database")
	}
	level := sql.LevelDefault
	if o != nil {
		level = o.Isolation
	}
	return NewWith(beginSQL(db, level), d, o)
}

// NewWith returns a Store whose transactions begin starts. Options.Isolation has no effect: begin chooses the isolation
// level. Everything else is as in [New].
func NewWith[T any](begin Begin[T], d Dialect, o *Options) (*Store[T], error) {
	s := &Store[T]{begin: begin, locks: keyLocks{held: map[Key]chan struct{}{}}}
	if o != nil {
		s.o = *o
	}
	s.o.setDefaults()
	if begin == nil {
		return nil, errors.New("open idempotency store: no function that begins a transaction")
	}
	var ok bool
	if s.sql, ok = dialects[d]; !ok {
		return nil, fmt.Errorf("open idempotency store: unknown dialect %d", d)
	}
	if err := s.o.check(); err != nil {
		return nil, fmt.Errorf("open idempotency store: %w", err)
	}
	return s, nil
}

func (o *Options) setDefaults() {
	setDefault(&o.TTL, 24*time.Hour)
	setDefault(&o.Wait, time.Second)
	setDefault(&o.Timeout, 30*time.Second)
	setDefault(&o.MaxBody, 1<<20)
	setDefault(&o.MaxResponse, 1<<20)
	setDefault(&o.SweepEvery, time.Minute)
	setDefault(&o.Log, slog.New(slog.DiscardHandler))
	if o.OnError == nil {
		o.OnError = ServeError
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o *Options) check() error {
	switch {
	case o.TTL < 0:
		return fmt.Errorf("negative TTL %v", o.TTL)
	case o.Timeout < 0:
		return fmt.Errorf("negative Timeout %v", o.Timeout)
	case o.MaxBody < 0 || o.MaxResponse < 0:
		return fmt.Errorf("negative MaxBody %d or MaxResponse %d", o.MaxBody, o.MaxResponse)
	case o.SweepEvery < 0:
		return fmt.Errorf("negative SweepEvery %v", o.SweepEvery)
	}
	return nil
}

// ttlSeconds rounds up, so that no record expires early.
func (o *Options) ttlSeconds() int64 { return int64((o.TTL + time.Second - 1) / time.Second) }

// Effect does the work of a request and returns its response. It writes only through tx. It must not commit or roll
// back tx, and must not keep it. If it returns an error, everything is rolled back.
type Effect[T any] func(ctx context.Context, tx T) (Response, error)
