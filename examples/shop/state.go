package shop

import (
	"context"
	"crypto/ed25519"
	"errors"
)

// State is everything that the shop remembers, one interface per noun. All methods may be called concurrently.
type State struct {
	Users   Users
	Logins  Logins
	Catalog Catalog
	Carts   Carts
	Orders  Orders
	Key     ed25519.PrivateKey // signs the tokens of every node that shares this state

	dependencies []dependency
	close        []func() error
}

// dependency is something outside of the process without which the shop cannot work.
type dependency struct {
	name string
	ping func(context.Context) error
}

// OpenMemory makes a state that lives and dies with the process: right for a test, wrong for a second node.
func OpenMemory() *State {
	_, key, _ := ed25519.GenerateKey(nil) // cannot fail: crypto/rand crashes the program rather than return an error
	return &State{
		Users:   &memoryUsers{byName: map[string]User{}},
		Logins:  &memoryLogins{byCookie: map[string]customer{}},
		Catalog: newMemoryCatalog(),
		Carts:   &memoryCarts{byOwner: map[string]map[string]int{}},
		Orders:  newMemoryOrders(),
		Key:     key,
	}
}

// OpenShared opens the state that any number of nodes share: an SQLite file, which it creates and fills when it is new,
// and a Redis URL such as redis://127.0.0.1:6379/0.
func OpenShared(ctx context.Context, file, redisURL string) (*State, error) {
	carts, err := openRedisCarts(redisURL)
	if err != nil {
		return nil, &hinted{err, "is Redis running at REDIS_URL?", exitError}
	}
	logins, err := newSessionLogins(carts.client)
	if err != nil {
		return nil, errors.Join(err, carts.Close())
	}
	db, err := openDatabase(ctx, file)
	if err != nil {
		carts.Close()
		return nil, &hinted{err, "--db names a file that the shop may create and write", exitError}
	}
	key, err := db.signingKey(ctx)
	if err != nil {
		return nil, errors.Join(err, carts.Close(), db.Close())
	}
	return &State{
		Users:        sqliteUsers{db},
		Logins:       logins,
		Catalog:      sqliteCatalog{db},
		Carts:        carts,
		Orders:       sqliteOrders{db},
		Key:          key,
		dependencies: []dependency{{"database", db.Ping}, {"redis", carts.Ping}},
		close:        []func() error{carts.Close, db.Close},
	}, nil
}

// Close gives back what the state holds open.
func (s *State) Close() error {
	var errs []error
	for _, c := range s.close {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
