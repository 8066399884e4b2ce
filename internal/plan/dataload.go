package plan

import (
	"fmt"
	"math"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// What one database server carries: a rule of thumb for 16 to 32 vCPUs with the busy part of the data in memory. It is
// printed with every answer that stands on it.
const (
	serverWork    = 70_000.0 // simple reads per second that one server may be given
	writeWork     = 3.0      // simple reads that a write costs, on the primary and on every replica again
	primaryWrites = 20_000.0 // writes per second that one primary takes
	primaryBytes  = 10e12    // data of one primary: beyond, backups, restores and index builds take days
	mostReplicas  = 15       // of one primary: managed databases stop there, and each costs the primary a stream
)

// load is what a database, or a part of one, has to do.
type load struct {
	bytes  float64 // 0: not known
	writes float64 // per second; 0: not known
	reads  float64 // per second; 0: not known, or none
	ratio  float64 // of reads; 0.8 when not known
}

func (q Question) load(a *Answer) load {
	l := load{bytes: float64(q.DataSize), writes: float64(q.WriteRate), ratio: 0.8}
	l.bytes = max(l.bytes, q.Domains.bytes())
	if q.ReadRatio != nil {
		l.ratio = float64(*q.ReadRatio)
	} else {
		a.assume(aboutDatabase, "%s of the calls only read (--read-ratio)", report.Percent(l.ratio))
	}
	if l.writes > 0 && l.ratio < 1 {
		l.reads = l.writes * l.ratio / (1 - l.ratio)
	}
	if l.bytes == 0 {
		a.unknown(aboutDatabase, "whether the data fits one server (--data-size)")
	}
	if l.writes == 0 {
		a.unknown(aboutDatabase, "whether one primary takes the writes (--write-rate)")
	}
	return l
}

// part is a share of the load.
func (l load) part(share float64) load {
	return load{l.bytes * share, l.writes * share, l.reads * share, l.ratio}
}

// onOnePrimary says whether one primary holds the data and takes the writes, and replicas can serve the reads.
func (l load) onOnePrimary() bool {
	return l.bytes <= primaryBytes && l.writes <= primaryWrites && l.needed() <= mostReplicas
}

// needed is how many replicas serve the reads: each also repeats all writes.
func (l load) needed() int {
	free := serverWork - l.writes*writeWork
	if free <= 0 {
		return math.MaxInt
	}
	return max(1, int(math.Ceil(l.reads/free-1e-9)))
}

// useful is the number of replicas at which each spends as much on reads as on repeating writes: beyond it, another one
// adds less than half of itself.
func (l load) useful() int {
	if l.ratio >= 1 {
		return mostReplicas
	}
	return min(mostReplicas, max(1, int(math.Ceil(l.ratio/((1-l.ratio)*writeWork)-1e-9))))
}

func (l load) replicas() int {
	if l.writes > 0 {
		return l.needed()
	}
	return l.useful()
}

// shards is how many primaries the load takes: for the data, for the writes, and for the reads of mostReplicas each.
func (l load) shards() int {
	reads := (l.reads/mostReplicas + l.writes*writeWork) / serverWork
	return max(1, int(math.Ceil(max(l.bytes/primaryBytes, l.writes/primaryWrites, reads)-1e-9)))
}

// fullAt is the share of its limits from which a database is called full: what is added until somebody has bought, built
// and filled the next one needs a place.
const fullAt = 0.8

// full says how much of one primary's limits the load takes; "" when there is room to grow.
func (l load) full() string {
	var of []string
	if share := l.bytes / primaryBytes; share >= fullAt {
		of = append(of, fmt.Sprintf("%s of the %s", report.Percent(share), Bytes(primaryBytes)))
	}
	if share := l.writes / primaryWrites; share >= fullAt {
		of = append(of, fmt.Sprintf("%s of the %s writes a second", report.Percent(share), report.Number(primaryWrites)))
	}
	return strings.Join(of, " and ")
}

// whyMore says what one primary cannot do.
func (l load) whyMore() string {
	var why []string
	if l.bytes > primaryBytes {
		why = append(why, fmt.Sprintf("%s are more than the %s of one primary", Bytes(l.bytes), Bytes(primaryBytes)))
	}
	if l.writes > primaryWrites {
		why = append(why, fmt.Sprintf("%s writes a second are more than its %s", report.Number(l.writes), report.Number(primaryWrites)))
	}
	if len(why) == 0 {
		why = append(why, fmt.Sprintf("%s reads a second are more than %d replicas serve", report.Number(l.reads), mostReplicas))
	}
	return strings.Join(why, ", and ")
}
