package cache

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strconv"
	"time"
)

// Options tune a Cache. Zero fields mean their defaults; a negative value is an error unless its field says what it means.
// All nodes that share a cache's name have to agree on Version, L1Lease, Key and Tags.
type Options[K comparable, V any] struct {
	// TTL is how long a value is fresh, give or take Jitter. Default 5 minutes.
	TTL time.Duration
	// Jitter spreads the end of TTL, as a share of it, so that what was loaded together does not expire together. Default
	// 0.1: plus or minus 10 %. Negative: none.
	Jitter float64
	// Stale is how long a value is kept after TTL: one caller's read then starts a refresh in the background and all are
	// served the old value meanwhile, also while the loader fails. An invalidated value is never served. Default: TTL.
	// Negative: not at all.
	Stale time.Duration
	// Early refreshes before TTL ends: a read starts a refresh with a likelihood that grows as the rest of TTL shrinks
	// towards the load's own duration times Early (the XFetch rule). Default 1. Negative: never.
	Early float64
	// NegativeTTL is how long ErrNotFound from the loader is remembered. Default 10 seconds. Negative: not at all.
	NegativeTTL time.Duration
	// Retry is how long a value past its TTL is served without another attempt after the loader failed. Default 1 second.
	Retry time.Duration

	// L1Entries bounds the entries in this process. Default 10,000. Negative: none, every read asks the store.
	L1Entries int
	// L1TTL bounds how long an entry stays in this process without asking the store. An entry never outlives its TTL here.
	// Default 1 minute.
	L1TTL time.Duration
	// L1Lease is how long this process serves from its first level after the store last confirmed that invalidations would
	// wait for it. It is also how long an Invalidate takes, once, after a node has died without a word. Default 2 seconds.
	L1Lease time.Duration

	// LoadTimeout bounds one call of the loader, through its context. Default 5 seconds.
	LoadTimeout time.Duration
	// MaxLoads bounds the loader's calls that run at one time in this process; ten times as many may wait for their turn,
	// further ones fail with ErrOverloaded. Default 64.
	MaxLoads int
	// FillLease is how long other nodes leave a missing key to the one that loads it. Default 3 seconds.
	FillLease time.Duration
	// FillWait is how long a read waits for another node's load before it loads by itself. Default 1 second.
	FillWait time.Duration
	// MaxLag is how far the database's replicas lag at most. Set it when the loader may read from one: then the loader's
	// result has to say where it read, and while the store cannot know of earlier writes, for MaxLag after it started or
	// failed over, the loader is sent to the primary. Default 0: the loader always reads where writes are made.
	MaxLag time.Duration

	// StoreTimeout bounds one call of the store; on a timeout the read goes to the loader. Default 250 milliseconds.
	StoreTimeout time.Duration
	// InvalidateTimeout bounds an Invalidate whose context has no deadline. Default 10 seconds.
	InvalidateTimeout time.Duration
	// MaxValueBytes bounds an encoded value; a larger one is returned but not stored in the second level. Default 1 MiB.
	MaxValueBytes int

	// Version is part of every key in the store. Change it together with the shape of V. Default "1".
	Version string
	// Encode and Decode are the stored form of V. Default: JSON. A value that does not decode counts as missing.
	Encode func(V) ([]byte, error)
	Decode func([]byte) (V, error)
	// Key and ParseKey are the stored form of K, each the other's inverse, at most 512 bytes. Default: what strconv makes
	// of strings and integers; other types need both.
	Key      func(K) string
	ParseKey func(string) (K, error)
	// Tags names what else the value of a key is derived from, such as the category of a list: InvalidateTags then drops
	// it. The answer may depend on the key alone. Each read of the store costs one more round trip. Default: none.
	Tags func(K) []string

	// Log hears of subscriptions lost and regained, and of nodes expelled. Default: discard.
	Log *slog.Logger
}

var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// withDefaults returns a checked copy.
func (o *Options[K, V]) withDefaults() (Options[K, V], error) {
	var c Options[K, V]
	if o != nil {
		c = *o
	}
	var problems []error
	for _, d := range []struct {
		name     string
		value    *time.Duration
		standard time.Duration
	}{
		{"TTL", &c.TTL, 5 * time.Minute}, {"Retry", &c.Retry, time.Second}, {"L1TTL", &c.L1TTL, time.Minute},
		{"L1Lease", &c.L1Lease, 2 * time.Second}, {"LoadTimeout", &c.LoadTimeout, 5 * time.Second},
		{"FillLease", &c.FillLease, 3 * time.Second}, {"FillWait", &c.FillWait, time.Second},
		{"MaxLag", &c.MaxLag, 0}, {"StoreTimeout", &c.StoreTimeout, 250 * time.Millisecond},
		{"InvalidateTimeout", &c.InvalidateTimeout, 10 * time.Second},
	} {
		if *d.value < 0 {
			problems = append(problems, fmt.Errorf("option %s: %s is negative", d.name, *d.value))
		}
		*d.value = cmp.Or(*d.value, d.standard)
	}
	for _, n := range []struct {
		name     string
		value    *int
		standard int
	}{{"MaxLoads", &c.MaxLoads, 64}, {"MaxValueBytes", &c.MaxValueBytes, 1 << 20}} {
		if *n.value < 0 {
			problems = append(problems, fmt.Errorf("option %s: %d is negative", n.name, *n.value))
		}
		*n.value = cmp.Or(*n.value, n.standard)
	}
	if c.Jitter >= 1 {
		problems = append(problems, fmt.Errorf("option Jitter: %g is a share of TTL, below 1", c.Jitter))
	}
	c.Jitter = max(cmp.Or(c.Jitter, 0.1), 0)
	c.Early = max(cmp.Or(c.Early, 1), 0)
	c.Stale = max(cmp.Or(c.Stale, c.TTL), 0)
	c.NegativeTTL = max(cmp.Or(c.NegativeTTL, 10*time.Second), 0)
	c.L1Entries = cmp.Or(c.L1Entries, 10_000)
	c.Version = cmp.Or(c.Version, "1")
	if !validName.MatchString(c.Version) {
		problems = append(problems, fmt.Errorf("option Version: %q is not 1 to 64 letters, digits, dots, dashes", c.Version))
	}
	if (c.Encode == nil) != (c.Decode == nil) {
		problems = append(problems, errors.New("options Encode and Decode: one without the other"))
	}
	if c.Encode == nil {
		c.Encode = func(v V) ([]byte, error) { return json.Marshal(v) }
		c.Decode = func(b []byte) (v V, err error) { err = json.Unmarshal(b, &v); return v, err }
	}
	switch {
	case (c.Key == nil) != (c.ParseKey == nil):
		problems = append(problems, errors.New("options Key and ParseKey: one without the other"))
	case c.Key == nil:
		var ok bool
		if c.Key, c.ParseKey, ok = plainKey[K](); !ok {
			problems = append(problems, fmt.Errorf("options Key and ParseKey: needed for keys of type %T", *new(K)))
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(problems...)
}

// plainKey is the stored form of strings and integers, named types among them.
func plainKey[K comparable]() (format func(K) string, parse func(string) (K, error), ok bool) {
	t := reflect.TypeFor[K]()
	switch t.Kind() {
	case reflect.String:
		format = func(k K) string { return reflect.ValueOf(k).String() }
		parse = func(s string) (k K, err error) { reflect.ValueOf(&k).Elem().SetString(s); return k, nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		format = func(k K) string { return strconv.FormatInt(reflect.ValueOf(k).Int(), 10) }
		parse = func(s string) (k K, err error) {
			n, err := strconv.ParseInt(s, 10, t.Bits())
			reflect.ValueOf(&k).Elem().SetInt(n)
			return k, err
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		format = func(k K) string { return strconv.FormatUint(reflect.ValueOf(k).Uint(), 10) }
		parse = func(s string) (k K, err error) {
			n, err := strconv.ParseUint(s, 10, t.Bits())
			reflect.ValueOf(&k).Elem().SetUint(n)
			return k, err
		}
	default:
		return nil, nil, false
	}
	return format, parse, true
}
