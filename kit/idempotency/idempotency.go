// Package idempotency gives a request that is sent twice one effect and one answer. The key, the effect and the recorded
// answer are written in ONE database transaction, so there is no step at which a crash could leave one without the others.
//
// Create the table with [Schema], open a [Store] with [New], and wrap handlers with [Store.Required] or
// [Store.Optional]; a handler does its work through the *sql.Tx it is given. What does not come over HTTP uses
// [Store.Do]. Call [Store.Sweep] now and then, or start [Store.Run], so that the table does not grow for ever.
//
//	begin -> claim the key -> effect -> record the answer -> commit -> answer
//
// A process that dies before the commit has done nothing: the key is free, and a retry does it. One that dies after it has
// done everything: a retry gets the recorded answer.
//
// The promise covers what goes through the transaction, and only that. An e-mail or a call to a payment provider inside the
// effect may happen twice: give it a key of its own, or write it to a queue table in the same transaction.
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

// Options tune a Store. Zero fields mean their defaults.
type Options struct {
	// TTL is how long an answer can be had again after its key was first used, by the database's clock, in whole seconds
	// rounded up; default 24h. A retry after that is a new request, so it must be longer than any client goes on retrying.
	TTL time.Duration
	// Wait is how long a request waits for another one that is in flight under its key, before it gets ErrInFlight; default
	// 1s, negative for not at all. It waits without holding a database connection.
	Wait time.Duration
	// Timeout bounds a whole call, the waiting included. An effect that takes longer is rolled back; default 30s.
	Timeout time.Duration

	MaxBody     int // bytes of a request body, which is read into memory before the transaction begins; default 1 MiB
	MaxResponse int // bytes of a recorded answer, header and body; default 1 MiB

	// Isolation of the transactions; default: the driver's own. A serialization failure while the key is claimed is tried
	// again; one that the effect or the commit meets is ErrUnavailable, because an effect is never run twice in one call.
	Isolation sql.IsolationLevel

	SweepEvery time.Duration // how often Run sweeps; default 1m

	// OnError answers a request that did not get an answer from its handler; default [ServeError].
	OnError func(w http.ResponseWriter, r *http.Request, err error)
	// Log gets the faults behind 5xx answers, and those of Run; default none.
	Log *slog.Logger
}

// Store keeps keys and answers in one table of a database. All methods may be called concurrently, from any number of
// processes that share the database.
type Store struct {
	db   *sql.DB
	sql  statements
	o    Options
	gate gate
	n    counters
}

// New returns the Store in db, which stays the caller's to close. It does no I/O: the table of [Schema] must be there
// before the first call. A nil o means all defaults.
//
// On SQLite every transaction takes the file's one write lock from its first statement on, so effects run one after the
// other. Give the connections a busy_timeout.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	s := &Store{db: db, gate: gate{held: map[Key]chan struct{}{}}}
	if o != nil {
		s.o = *o
	}
	s.o.setDefaults()
	if db == nil {
		return nil, errors.New("open idempotency store: no database")
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

// ttlSeconds rounds up, so that nothing is forgotten early.
func (o *Options) ttlSeconds() int64 { return int64((o.TTL + time.Second - 1) / time.Second) }

// Effect does the work of a request, through tx only, and returns its answer. It must not end tx, nor keep it, nor use
// another connection to write what belongs to the effect. The error it returns rolls everything back.
type Effect func(ctx context.Context, tx *sql.Tx) (Response, error)
