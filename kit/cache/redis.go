package cache

import (
	_ "embed"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redisscript"
)

var (
	//go:embed meta.lua
	metaLua string
	//go:embed acquire.lua
	acquireLua string
	//go:embed fill.lua
	fillLua string
	//go:embed release.lua
	releaseLua string
	//go:embed invalidate.lua
	invalidateLua string
	//go:embed version.lua
	versionLua string
	//go:embed inspect.lua
	inspectLua string
	//go:embed members.lua
	membersLua string
	//go:embed acks.lua
	acksLua string
)

// scripts are the scripts of a redisStore.
type scripts struct{ acquire, fill, release, invalidate, version, inspect, members, acks *redisscript.Script }

// newScripts returns the scripts behind a prelude. Tests use it to control the time that the scripts see.
func newScripts(prelude string) *scripts {
	script := func(text string) *redisscript.Script { return redisscript.New(prelude, metaLua, text) }
	return &scripts{
		acquire: script(acquireLua), fill: script(fillLua), release: script(releaseLua), invalidate: script(invalidateLua),
		version: script(versionLua), inspect: script(inspectLua), members: script(membersLua),
		acks: redisscript.New(acksLua),
	}
}

var standardScripts = newScripts("")

const (
	// buckets is how many hash tags a cache is spread over: enough to spread over the nodes of a Redis Cluster, few
	// enough that their meta hashes cost nothing.
	buckets = 256
	// tombstone is how long an invalidated key keeps its own generation and position. After that, those of the bucket
	// take their place, which are never lower.
	tombstone = 10 * time.Minute
	// storedAckTTL is how long acknowledgements for a writer without a subscription stay in the store.
	storedAckTTL = time.Minute
)

// redisStore runs the scripts on a Redis or Valkey server, Sentinel group or Cluster.
type redisStore struct {
	client   rueidis.Client
	scripts  *scripts
	prefix   string
	settings string // on which all nodes have to agree
	lease    time.Duration
	fixed    lookupCommands
	cluster  bool
}

func newRedisStore(client rueidis.Client, prefix, settings string, lease time.Duration) *redisStore {
	return &redisStore{
		client: client, scripts: standardScripts, prefix: prefix, settings: settings, lease: lease,
		fixed: newLookupCommands(client.B()), cluster: client.Mode() == rueidis.ClientModeCluster,
	}
}

// keys returns the meta hash of the object's bucket and the hash of the object. Both are in one slot.
func (s *redisStore) keys(o object) []string {
	h := fnv.New32a()
	h.Write([]byte(o.name))
	bucket := "tf:{" + s.prefix + "/" + strconv.Itoa(int(h.Sum32()%buckets)) + "}"
	return []string{bucket, bucket + string(o.kind) + ":" + o.name}
}

func millis(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }
func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }
func newEpoch() string              { return strconv.FormatUint(rand.Uint64(), 36) }

func boolean(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
