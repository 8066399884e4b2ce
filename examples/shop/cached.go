package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/cache"
)

// How old an answer may be, give or take a tenth.
const (
	catalogAge = 300 * time.Second // but a new price ends it on all nodes, before the new price is answered
	profileAge = 60 * time.Second  // nothing in this shop changes a profile
	stockAge   = 5 * time.Second   // only a hint: an order looks into the database
)

// caches keep in each process, and in Redis for all, what many read and few change: the nodes together ask the database once
// per key and age.
//
// While Redis is down they ask it more: each node for one key once at a time, and for all of a cache's keys at most
// databaseReaders times at once, with ten times as many waiting and the rest refused. New prices are not confirmed then.
type caches struct {
	catalog  *cache.Cache[string, []Product] // by category; "" is all of it
	profiles *cache.Cache[string, Profile]   // by user
	stock    *cache.Cache[string, int]       // by product
}

// newCaches makes the caches of a database. Its version is its name in Redis: nodes with another database share nothing.
func newCaches(client rueidis.Client, db *database, version string, log *slog.Logger) (*caches, error) {
	users, catalog := sqliteUsers{db}, sqliteCatalog{db}
	lists := cacheOptions[[]Product](catalogAge, version, log)
	lists.Tags = func(category string) []string { // what a list is made of, and an update of it drops
		if category == "" {
			return categories
		}
		return []string{category}
	}
	c := &caches{}
	var errs [3]error
	c.catalog, errs[0] = cache.New(client, "shop.catalog", loader(catalog.Products), lists)
	c.profiles, errs[1] = cache.New(client, "shop.profile", loader(users.Profile),
		cacheOptions[Profile](profileAge, version, log))
	c.stock, errs[2] = cache.New(client, "shop.stock", loader(catalog.Stock), cacheOptions[int](stockAge, version, log))
	return c, errors.Join(errs[:]...)
}

func cacheOptions[V any](age time.Duration, version string, log *slog.Logger) *cache.Options[string, V] {
	return &cache.Options[string, V]{
		TTL:               age,
		Stale:             -1, // nothing is served past its age
		MaxLoads:          databaseReaders,
		InvalidateTimeout: invalidateWait,
		Version:           version,
		Log:               log,
	}
}

// invalidateWait is how long a new price may take to reach all nodes: two seconds when one of them has just been killed.
const invalidateWait = 5 * time.Second

// loader makes a read of the database one of a cache. The database is one, without replicas: positions are not needed.
func loader[V any](read func(context.Context, string) (V, error)) cache.Loader[string, V] {
	return func(ctx context.Context, key string, _ cache.Position) (cache.Loaded[V], error) {
		v, err := read(ctx, key)
		if errors.Is(err, ErrNotFound) {
			err = cache.ErrNotFound // which is remembered too
		}
		return cache.Loaded[V]{Value: v}, err
	}
}

// get reads through a cache, with the shop's errors.
func get[V any](ctx context.Context, c *cache.Cache[string, V], what, key string) (V, error) {
	v, err := c.Get(ctx, key)
	switch {
	case errors.Is(err, cache.ErrNotFound):
		err = fmt.Errorf("%s %q: %w", what, key, ErrNotFound)
	case errors.Is(err, cache.ErrOverloaded):
		err = unavailable(fmt.Sprintf("read %s %q", what, key), err)
	}
	return v, err
}

type cachedUsers struct {
	Users
	caches *caches
}

func (c cachedUsers) Profile(ctx context.Context, id string) (Profile, error) {
	return get(ctx, c.caches.profiles, "user", id)
}

type cachedCatalog struct {
	Catalog
	caches *caches
}

func (c cachedCatalog) Products(ctx context.Context, category string) ([]Product, error) {
	return get(ctx, c.caches.catalog, "products of", category)
}

// Product looks into the list of all: a catalog as small as this one is a single value. So made-up ids cost nothing.
func (c cachedCatalog) Product(ctx context.Context, id string) (Product, error) {
	all, err := c.Products(ctx, "")
	if err != nil {
		return Product{}, err
	}
	p, err := find(all, id)
	if err != nil {
		return Product{}, err
	}
	return *p, nil
}

func (c cachedCatalog) Stock(ctx context.Context, id string) (int, error) {
	return get(ctx, c.caches.stock, "stock of", id)
}

// SetPrice commits first, then invalidates, and only then returns, to be answered. The admin may have left by then: what is
// committed has to be told all the same.
func (c cachedCatalog) SetPrice(ctx context.Context, id string, cents int64) (Product, error) {
	p, err := c.Catalog.SetPrice(ctx, id, cents)
	if err != nil {
		return Product{}, err
	}
	err = c.caches.catalog.InvalidateTags(context.WithoutCancel(ctx), cache.Position{}, p.Category)
	return p, unavailable("tell all nodes the new price", err)
}
