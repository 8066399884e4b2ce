// Package cart keeps shopping carts in Redis or Valkey, so that any node can answer any request.
//
// The changes of a cart are operations and not states: concurrent changes from several requests and several nodes add
// up. Each operation may have an id, so that a double click or a retry counts once.
//
//	carts, err := cart.New(client, nil)
//	c := carts.Of("user:42")
//	n, err := c.Add(ctx, "book", 1, r.FormValue("op"))
//
// Each script uses the keys of one cart, which share a hash tag, so everything works on Redis Cluster. The package
// needs Redis
// 6.2 or newer with maxmemory-policy noeviction. The client must not send reads to replicas.
package cart

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

// Options configure Carts. A zero field means its default.
type Options struct {
	MaxLines    int // products in one cart; default 50
	MaxQuantity int // pieces of one product; default 1,000, at most 1e9

	// OpTTL is the time for which a cart remembers the id of an operation. A repetition within that time changes
	// nothing. Default 10m, at least 1s.
	OpTTL time.Duration
	// MaxOps is the number of ids that a cart remembers at a time. More changes within OpTTL are refused, because
	// forgetting an id early could count an operation twice. Default 1,024.
	MaxOps int

	TTL     time.Duration // a cart is deleted this long after its last change; default 30 days, at least 1s
	Timeout time.Duration // limit for one operation on the store, retries included; default 1s
	Prefix  string        // begins every key; must not contain braces; default "tenfold:"
}

// Carts are the shopping carts of one service. They are safe for concurrent use.
type Carts struct {
	client rueidis.Client
	o      Options
}

// New returns the carts that client stores. The caller closes client. New does no I/O. If o is nil, all options have
// their defaults. New fails if client is nil or reads from replicas, or if an option is invalid.
func New(client rueidis.Client, o *Options) (*Carts, error) {
	c := &Carts{client: client}
	if o != nil {
		c.o = *o
	}
	if client == nil {
		return nil, errors.New("open carts: no redis client")
	}
	if err := redisscript.CheckClient(client); err != nil {
		return nil, fmt.Errorf("open carts: %w", err)
	}
	c.o.setDefaults()
	if err := c.o.check(); err != nil {
		return nil, fmt.Errorf("open carts: %w", err)
	}
	return c, nil
}

func (o *Options) setDefaults() {
	setDefault(&o.MaxLines, 50)
	setDefault(&o.MaxQuantity, 1000)
	setDefault(&o.OpTTL, 10*time.Minute)
	setDefault(&o.MaxOps, 1024)
	setDefault(&o.TTL, 30*24*time.Hour)
	setDefault(&o.Timeout, time.Second)
	setDefault(&o.Prefix, "tenfold:")
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

func (o *Options) check() error {
	switch {
	case o.MaxLines < 0 || o.MaxQuantity < 0 || o.MaxOps < 0 || o.Timeout < 0:
		return errors.New("a limit or the timeout is negative")
	case o.MaxQuantity > 1e9:
		return fmt.Errorf("max quantity %d is above 1e9", o.MaxQuantity)
	case o.OpTTL < time.Second || o.TTL < time.Second:
		return fmt.Errorf("op TTL %s or TTL %s is below 1s", o.OpTTL, o.TTL)
	case strings.ContainsAny(o.Prefix, "{}"):
		return fmt.Errorf("prefix %q contains a brace", o.Prefix)
	}
	return nil
}

// Of returns the cart of an owner, for example "user:42". For a guest, use "guest:" and the ID of the session. Of does
// no I/O.
func (c *Carts) Of(owner string) *Cart { return &Cart{c, owner} }
