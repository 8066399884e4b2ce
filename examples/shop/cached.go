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

// How old a cached value may be, plus or minus a tenth.
const (
	catalogAge = 300 * time.Second // a new price ends it on all nodes, before the change of the price is acknowledged
	profileAge = 60 * time.Second  // nothing in this shop changes a profile
	stockAge   = 5 * time.Second   // only a hint: an order reads the database
)

// caches keep what many read and few change, in each process and in Redis. All nodes together ask the database once per
// key and age.
//
// While Redis is down, each node asks the database once at a time for each key. A cache runs at most databaseReaders
// queries at once, ten times as many wait, and further reads are refused. New prices are not confirmed in that time.
type caches struct {
	catalog  *cache.Cache[string, []Product] // by category; "" stands for all categories
	profiles *cache.Cache[string, Profile]   // by user
	stock    *cache.Cache[string, int]       // by product
}

// newCaches returns the caches of a database. version is the name of the database in Redis, so that nodes with
// different databases share nothing.
func newCaches(client rueidis.Client, db *database, version string, log *slog.Logger) (*caches, error) {
	users, catalog := sqliteUsers{db}, sqliteCatalog{db}
	lists := cacheOptions[[]Product](catalogAge, version, log)
	lists.Tags = func(category string) []string { // the categories whose products are in the list
		if category == "" {
			return categories
		}
		return []string{category}
	}
	c := &caches{}
	var errs [3]error
	c.catalog, errs[0] = cache.New(client, "shop.catalog", notFound(catalog.Products), lists)
	c.profiles, errs[1] = cache.New(client, "shop.profile", notFound(users.Profile),
		cacheOptions[Profile](profileAge, version, log))
	c.stock, errs[2] = cache.New(client, "shop.stock", notFound(catalog.Stock), cacheOptions[int](stockAge, version, log))
	return c, errors.Join(errs[:]...)
}

func cacheOptions[V any](age time.Duration, version string, log *slog.Logger) *cache.Options[string, V] {
	return &cache.Options[string, V]{
		TTL:      age,
		Stale:    -1, // no value is served after its age
		MaxLoads: databaseReaders,
		Version:  version,
		Log:      log,
		Tuning:   cache.Tuning{InvalidateTimeout: invalidateWait},
	}
}

// invalidateWait is how long a new price may take to reach all nodes. It takes two seconds if one of them has just been
// killed.
const invalidateWait = 5 * time.Second

// notFound makes a loader of a read of the database. The cache remembers also that something does not exist.
func notFound[V any](read func(context.Context, string) (V, error)) cache.Loader[string, V] {
	return func(ctx context.Context, key string) (V, error) {
		v, err := read(ctx, key)
		if errors.Is(err, ErrNotFound) {
			err = cache.ErrNotFound
		}
		return v, err
	}
}

// get reads through a cache and returns the shop's errors.
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

// Product reads the list of all products. This catalog is small enough to be one value, so requests for invented IDs do
// not reach the database.
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

// SetPrice commits, then invalidates, and returns when all nodes have acknowledged. It invalidates even if the client
// has disconnected, because the price is committed.
func (c cachedCatalog) SetPrice(ctx context.Context, id string, cents int64) (Product, error) {
	p, err := c.Catalog.SetPrice(ctx, id, cents)
	if err != nil {
		return Product{}, err
	}
	err = c.caches.catalog.InvalidateTags(context.WithoutCancel(ctx), p.Category)
	return p, unavailable("tell all nodes the new price", err)
}
