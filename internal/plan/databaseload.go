package plan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits of one database server: a rule of thumb for 16 to 32 vCPUs with the active data in memory. Each plan that uses
// them shows them.
const (
	serverWork    = 70_000.0 // simple reads per second of one server
	writeWork     = 3.0      // simple reads that one write costs, on the primary and again on each replica
	primaryWrites = 20_000.0 // writes per second of one primary
	primaryBytes  = 10e12    // data of one primary; with more, backups, restores and index builds take days
	maxReplicas   = 15       // of one primary: the limit of managed databases, and each replica costs the primary a stream
)

// databaseLoad is the work of a database, or of a part of it.
type databaseLoad struct {
	bytes        float64 // 0: not known
	writes       float64 // per second; 0: not known
	reads        float64 // per second; 0: not known, or none
	ratio        float64 // share of reads
	assumedRatio bool
}

// fitsOnePrimary reports whether one primary holds the data and takes the writes, and replicas can serve the reads.
func (l databaseLoad) fitsOnePrimary() bool {
	return l.bytes <= primaryBytes && l.writes <= primaryWrites && l.replicasForReads() <= maxReplicas
}

// part returns a share of the load.
func (l databaseLoad) part(share float64) databaseLoad {
	return databaseLoad{l.bytes * share, l.writes * share, l.reads * share, l.ratio, l.assumedRatio}
}

// replicas returns how many replicas a primary gets.
func (l databaseLoad) replicas() int {
	if l.writes > 0 {
		return l.replicasForReads()
	}
	return l.usefulReplicas()
}

// replicasForReads returns how many replicas serve the reads. Each of them also repeats all writes.
func (l databaseLoad) replicasForReads() int {
	free := serverWork - l.writes*writeWork
	if free <= 0 {
		return math.MaxInt
	}
	return max(1, int(math.Ceil(l.reads/free-1e-9)))
}

// usefulReplicas returns the number of replicas for which each spends as much work on reads as on repeated writes. Each
// further replica adds less than half of its work.
func (l databaseLoad) usefulReplicas() int {
	if l.ratio >= 1 {
		return maxReplicas
	}
	return min(maxReplicas, max(1, int(math.Ceil(l.ratio/((1-l.ratio)*writeWork)-1e-9))))
}

// shards returns how many primaries the load needs for the data, the writes and the reads with maxReplicas each.
func (l databaseLoad) shards() int {
	reads := (l.reads/maxReplicas + l.writes*writeWork) / serverWork
	return max(1, int(math.Ceil(max(l.bytes/primaryBytes, l.writes/primaryWrites, reads)-1e-9)))
}

// fullAt is the share of a limit from which a database is full. New data needs space until a further database is in
// use.
const fullAt = 0.8

// fullShares returns the shares of the limits of one primary that the load uses, or 0 for a limit with space for
// growth.
func (l databaseLoad) fullShares() (bytes, writes float64) {
	if share := l.bytes / primaryBytes; share >= fullAt {
		bytes = share
	}
	if share := l.writes / primaryWrites; share >= fullAt {
		writes = share
	}
	return bytes, writes
}

// Domain is a part of the data that could have a separate database.
type Domain struct {
	Name  string `json:"name,omitempty"`
	Bytes Bytes  `json:"bytes,omitempty"` // 0: an equal share of the data that the other domains leave
}

// Domains have the text form "5", or "orders=30TB,users=2TB,catalog".
type Domains []Domain

const maxDomains = 1000

// UnmarshalText reads "5" or "orders=30TB,users=2TB,catalog".
func (d *Domains) UnmarshalText(text []byte) error {
	if n, err := strconv.Atoi(string(text)); err == nil {
		if n < 1 || n > maxDomains {
			return fmt.Errorf("%d domains: want 1 to %d", n, maxDomains)
		}
		*d = make(Domains, n)
		return nil
	}
	var all Domains
	seen := map[string]bool{}
	for part := range strings.SplitSeq(string(text), ",") {
		name, size, sized := strings.Cut(part, "=")
		one := Domain{Name: strings.TrimSpace(name)}
		if _, err := parseDecimal(one.Name); one.Name == "" || err == nil || seen[one.Name] || len(all) == maxDomains {
			return fmt.Errorf("%q is not a domain: want a number of domains, or distinct names, for example "+
				"orders=30TB,users", part)
		}
		seen[one.Name] = true
		if sized {
			if err := one.Bytes.UnmarshalText([]byte(size)); err != nil {
				return fmt.Errorf("domain %q: %w", one.Name, err)
			}
		}
		all = append(all, one)
	}
	*d = all
	return nil
}

// bytes returns the data of the domains whose size is known.
func (d Domains) bytes() (sum float64) {
	for _, one := range d {
		sum += float64(one.Bytes)
	}
	return sum
}

// unsized counts the domains whose size is not known.
func (d Domains) unsized() (n int) {
	for _, one := range d {
		if one.Bytes == 0 {
			n++
		}
	}
	return n
}

// shares returns the share of the load that each domain has: by size where it is known, otherwise equal.
func (d Domains) shares(total float64) []float64 {
	shares := make([]float64, len(d))
	for i, one := range d {
		switch {
		case total == 0:
			shares[i] = 1 / float64(len(d))
		case one.Bytes > 0:
			shares[i] = float64(one.Bytes) / total
		default:
			shares[i] = (total - d.bytes()) / total / float64(d.unsized())
		}
	}
	return shares
}
