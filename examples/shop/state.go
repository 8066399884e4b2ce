package shop

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/cache"
	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// State is all state of the shop, one interface per noun. All methods may be called concurrently.
type State struct {
	Users   Users
	Logins  Logins
	Catalog Catalog
	Carts   Carts
	Orders  Orders
	Key     ed25519.PrivateKey // signs the tokens of every node that shares this state

	dependencies []dependency
	caches       map[string]func() cache.Stats // by name
	loops        []func(context.Context) error // each runs until its context ends
	close        []func() error
}

// dependency is a server or file that the shop needs.
type dependency struct {
	name string
	ping func(context.Context) error
}

// OpenMemory returns a state in the memory of the process. It is for tests, and cannot serve a second node.
func OpenMemory() *State {
	_, key, _ := ed25519.GenerateKey(nil) // cannot fail: crypto/rand ends the program instead of returning an error
	catalog := newMemoryCatalog()
	return &State{
		Users:   &memoryUsers{byName: map[string]User{}, profiles: map[string]Profile{}},
		Logins:  &memoryLogins{byCookie: map[string]customer{}},
		Catalog: catalog,
		Carts:   &memoryCarts{byOwner: map[string]*memoryCart{}, taken: map[string]bool{}},
		Orders:  newMemoryOrders(catalog),
		Key:     key,
	}
}

// OpenShared opens the state that any number of nodes share: an SQLite file, which it creates and fills when it is new,
// and a Redis URL such as redis://127.0.0.1:6379/0. A nil log discards.
func OpenShared(ctx context.Context, file, redisURL string, log *slog.Logger) (*State, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	client, err := openRedis(redisURL)
	if err != nil {
		return nil, &hinted{err, "is Redis running at REDIS_URL?", exitError}
	}
	db, err := openDatabase(ctx, file)
	if err != nil {
		client.Close()
		return nil, &hinted{err, "--db names a file that the shop may create and write", exitError}
	}
	state, err := newShared(ctx, client, db, log)
	if err != nil {
		client.Close()
		return nil, errors.Join(err, db.Close())
	}
	return state, nil
}

func newShared(ctx context.Context, client rueidis.Client, db *database, log *slog.Logger) (*State, error) {
	key, err := db.signingKey(ctx)
	if err != nil {
		return nil, err
	}
	logins, err := newSessionLogins(client)
	if err != nil {
		return nil, err
	}
	carts, err := newSessionCarts(client)
	if err != nil {
		return nil, err
	}
	caches, err := newCaches(client, db, hex.EncodeToString(key.Public().(ed25519.PublicKey)[:8]), log)
	if err != nil {
		return nil, err
	}
	once, err := idempotency.New(db.write, idempotency.SQLite, &idempotency.Options{Log: log})
	if err != nil {
		return nil, err
	}
	ping := func(ctx context.Context) error {
		// Pinned because of a fault of rueidis up to v1.0.79; kit/redisscript describes it.
		return client.Do(ctx, client.B().Ping().Build().Pin()).Error()
	}
	return &State{
		Users:        cachedUsers{sqliteUsers{db}, caches},
		Logins:       logins,
		Catalog:      cachedCatalog{sqliteCatalog{db}, caches},
		Carts:        carts,
		Orders:       sqliteOrders{db, once},
		Key:          key,
		dependencies: []dependency{{"database", db.Ping}, {"redis", ping}},
		caches: map[string]func() cache.Stats{
			"catalog": caches.catalog.Stats, "profile": caches.profiles.Stats, "stock": caches.stock.Stats,
		},
		loops: []func(context.Context) error{caches.catalog.Run, caches.profiles.Run, caches.stock.Run, once.Run},
		close: []func() error{func() error { client.Close(); return nil }, db.Close},
	}, nil
}

// Run receives invalidations of other nodes and deletes expired idempotency keys, until ctx ends. Without Run the state is correct
// but slower.
func (s *State) Run(ctx context.Context) error {
	errs := make([]error, len(s.loops))
	var running sync.WaitGroup
	for i, loop := range s.loops {
		running.Go(func() { errs[i] = loop(ctx) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// Close closes the connections and files of the state.
func (s *State) Close() error {
	var errs []error
	for _, c := range s.close {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
