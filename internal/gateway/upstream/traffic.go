package upstream

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/tenfold-go/tenfold/internal/sample"
)

// traffic counts requests for the samples. It has several shards, and each request counts in one that it chooses at
// random. Without shards, all processors would write to the same cache lines.
type traffic struct {
	shards []trafficShard // the length is a power of two
}

// maxShards bounds the memory of a pool. A shard has about 1.6 KiB.
const maxShards = 16

func newTraffic() traffic {
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < maxShards {
		n *= 2
	}
	return traffic{shards: make([]trafficShard, n)}
}

// shard returns the shard for one request.
func (t *traffic) shard() *trafficShard {
	if len(t.shards) == 1 {
		return &t.shards[0]
	}
	return &t.shards[rand.Uint32()&uint32(len(t.shards)-1)]
}

// trafficShard has the counts since the last call of take. See [sample.Counts].
type trafficShard struct {
	offered, accepted, rejected, completed, failed, canceled atomic.Uint64

	latency [sample.Buckets]atomic.Uint32
	_       [64]byte // keeps the next shard out of the last cache line
}

// take returns the counts since the last call, and starts again at zero. A request that is counted at the same time
// is in this result or in the next one.
func (t *traffic) take() (sample.Counts, sample.Histogram) {
	var sum sample.Counts
	var latency [sample.Buckets]uint64
	for i := range t.shards {
		s := &t.shards[i]
		sum = sum.Add(sample.Counts{
			Offered: s.offered.Swap(0), Accepted: s.accepted.Swap(0), Rejected: s.rejected.Swap(0),
			Completed: s.completed.Swap(0), Failed: s.failed.Swap(0), Canceled: s.canceled.Swap(0),
		})
		for b := range s.latency {
			if s.latency[b].Load() > 0 { // an idle service has no bucket to swap
				latency[b] += uint64(s.latency[b].Swap(0))
			}
		}
	}
	return sum, sample.NewHistogram(&latency)
}
