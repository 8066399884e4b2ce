package cache

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strconv"
	"time"
)

// Options configure a Cache. A zero field means its default. A negative value is an error, unless the field says what
// it means. All processes that use the same name and Version must agree on Key, Tags and Tuning.L1Lease. Run and
// Invalidate return a *SettingsError if they do not.
type Options[K comparable, V any] struct {
	// TTL is how long a value is fresh, plus or minus Tuning.Jitter. Default 5 minutes.
	TTL time.Duration
	// TTLOf returns the TTL of one value. Zero means TTL; a negative TTL means that the value is returned but not
	// kept. Default: TTL for all values.
	TTLOf func(K, V) time.Duration
	// Stale is how long a value is kept after its TTL. In that time, one read starts a refresh in the background, and
	// all reads get the old value until the refresh has succeeded. An invalidated value is never served. Default: the
	// TTL of the value. Negative: values are not served after their TTL.
	Stale time.Duration
	// NegativeTTL is how long ErrNotFound of the loader is remembered. Default 10 seconds. Negative: it is not
	// remembered.
	NegativeTTL time.Duration

	// L1Entries limits the entries in this process. Default 10,000. Negative: no level 1, every read asks the store.
	L1Entries int

	// LoadTimeout limits one call of the loader, through its context. Default 5 seconds.
	LoadTimeout time.Duration
	// MaxLoads limits the calls of the loader that run at the same time in this process. Ten times as many may wait.
	// Further calls fail with ErrOverloaded. Default 64.
	MaxLoads int
	// LoadMany loads several keys at once for GetMany. Keys that are missing in the result do not exist. It reads and
	// reports positions through its context like a Loader. Default: one call of the loader per key.
	LoadMany func(ctx context.Context, keys []K) (map[K]V, error)
	// MaxLag is the longest time by which a replica of the database lags. Set it if the loader may read from a replica.
	// After the store has lost its data it does not know the positions of earlier writes. The loader is then told to
	// read from the primary for MaxLag. Default 0: the loader always reads from the primary.
	MaxLag time.Duration

	// Version is part of every key in the store. Change it when the stored form of V or one of the shared settings
	// changes. Processes with different versions share nothing, not even invalidations. Default "1".
	Version string
	// Encode and Decode convert V to and from its stored form. Default: JSON. A value that does not decode is loaded
	// again.
	Encode func(V) ([]byte, error)
	Decode func([]byte) (V, error)
	// Key and ParseKey convert K to and from its stored form of at most 512 bytes. Strings and integers have a default;
	// other types need both.
	Key      func(K) string
	ParseKey func(string) (K, error)
	// Tags returns the names of what the value of a key is derived from, for example the category of a list.
	// InvalidateTags drops all values of a tag. The result may depend only on the key. Each read of the store takes one
	// more round trip. Default: no tags.
	Tags func(K) []string

	// Log receives lost and restored subscriptions, and nodes that do not answer. Default: discard.
	Log *slog.Logger
	// Tuning holds settings that rarely need a change.
	Tuning Tuning
}

// Tuning holds settings of a Cache that rarely need a change. A zero field means its default. A negative value is an
// error, unless the field says what it means.
type Tuning struct {
	// Jitter spreads the end of TTL, as a share of TTL, so that values that were loaded together do not expire
	// together. Default 0.1: plus or minus 10 %. Negative: no jitter.
	Jitter float64
	// Early controls refreshes before the end of TTL. The probability that a read starts one grows as the rest of TTL
	// shrinks towards the duration of the load times Early (the XFetch rule). Default 1. Negative: no early refresh.
	Early float64
	// Retry is how long a value past its TTL is served without another attempt after the loader failed. Default 1
	// second.
	Retry time.Duration
	// L1TTL limits how long an entry stays in this process without asking the store. Default 1 minute.
	L1TTL time.Duration
	// L1Lease is how long this process serves from level 1 after the store last confirmed that invalidations wait for
	// it. After a node has died, one Invalidate waits for the rest of that time. Default 2 seconds.
	L1Lease time.Duration
	// FillLease is how long other nodes leave the load of a missing key to the node that holds its lease. Default 3
	// seconds.
	FillLease time.Duration
	// FillWait is how long a read waits for the load of another node before it calls the loader itself. Default 1
	// second.
	FillWait time.Duration
	// StoreTimeout limits one call of the store. After a timeout the read calls the loader. Default 250 milliseconds.
	StoreTimeout time.Duration
	// InvalidateTimeout limits an Invalidate whose context has no deadline. Default 10 seconds.
	InvalidateTimeout time.Duration
	// MaxValueBytes limits an encoded value. A larger value is returned but not stored. Default 1 MiB.
	MaxValueBytes int
}

var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// withDefaults returns a copy with the defaults filled in, or all problems of o.
func (o *Options[K, V]) withDefaults() (Options[K, V], error) {
	var c Options[K, V]
	if o != nil {
		c = *o
	}
	problems := c.fillTimes()
	for _, n := range []struct {
		name     string
		value    *int
		standard int
	}{{"MaxLoads", &c.MaxLoads, 64}, {"Tuning.MaxValueBytes", &c.Tuning.MaxValueBytes, 1 << 20}} {
		if *n.value < 0 {
			problems = append(problems, fmt.Errorf("option %s: %d is negative", n.name, *n.value))
		}
		*n.value = cmp.Or(*n.value, n.standard)
	}
	if c.Tuning.Jitter >= 1 {
		problems = append(problems, fmt.Errorf("option Tuning.Jitter: %g must be below 1", c.Tuning.Jitter))
	}
	c.Tuning.Jitter = max(cmp.Or(c.Tuning.Jitter, 0.1), 0)
	c.Tuning.Early = max(cmp.Or(c.Tuning.Early, 1), 0)
	c.NegativeTTL = max(cmp.Or(c.NegativeTTL, 10*time.Second), 0)
	c.L1Entries = cmp.Or(c.L1Entries, 10_000)
	c.Version = cmp.Or(c.Version, "1")
	if !validName.MatchString(c.Version) {
		err := fmt.Errorf("option Version: %q is not 1 to 64 letters, digits, dots, dashes, underscores", c.Version)
		problems = append(problems, err)
	}
	problems = append(problems, c.fillCodecs()...)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(problems...)
}

// fillTimes sets the default of each duration and returns those that are negative.
func (o *Options[K, V]) fillTimes() (problems []error) {
	t := &o.Tuning
	for _, d := range []struct {
		name     string
		value    *time.Duration
		standard time.Duration
	}{
		{"TTL", &o.TTL, 5 * time.Minute}, {"LoadTimeout", &o.LoadTimeout, 5 * time.Second}, {"MaxLag", &o.MaxLag, 0},
		{"Tuning.Retry", &t.Retry, time.Second}, {"Tuning.L1TTL", &t.L1TTL, time.Minute},
		{"Tuning.L1Lease", &t.L1Lease, 2 * time.Second}, {"Tuning.FillLease", &t.FillLease, 3 * time.Second},
		{"Tuning.FillWait", &t.FillWait, time.Second}, {"Tuning.StoreTimeout", &t.StoreTimeout, 250 * time.Millisecond},
		{"Tuning.InvalidateTimeout", &t.InvalidateTimeout, 10 * time.Second},
	} {
		if *d.value < 0 {
			problems = append(problems, fmt.Errorf("option %s: %s is negative", d.name, *d.value))
		}
		*d.value = cmp.Or(*d.value, d.standard)
	}
	return problems
}

// fillCodecs sets the default conversions of values and keys, and returns what is missing or incomplete.
func (o *Options[K, V]) fillCodecs() (problems []error) {
	if (o.Encode == nil) != (o.Decode == nil) {
		problems = append(problems, errors.New("options Encode and Decode: one of the two is missing"))
	}
	if o.Encode == nil {
		o.Encode = func(v V) ([]byte, error) { return json.Marshal(v) }
		o.Decode = func(b []byte) (v V, err error) { err = json.Unmarshal(b, &v); return v, err }
	}
	switch {
	case (o.Key == nil) != (o.ParseKey == nil):
		problems = append(problems, errors.New("options Key and ParseKey: one of the two is missing"))
	case o.Key == nil:
		var ok bool
		if o.Key, o.ParseKey, ok = plainKey[K](); !ok {
			problems = append(problems, fmt.Errorf("options Key and ParseKey: keys of type %T need both", *new(K)))
		}
	}
	return problems
}

// plainKey returns the default conversions of string and integer keys. ok is false for other types.
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
