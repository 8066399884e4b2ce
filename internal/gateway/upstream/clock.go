package upstream

import "time"

// epoch is the zero of the monotonic clock of this package. A duration since the epoch fits into an atomic integer
// and is cheaper to read than a time.Time.
var epoch = time.Now()

func sinceEpoch() time.Duration { return time.Since(epoch) }
