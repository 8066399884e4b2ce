package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// The ways in which a database can grow.
const (
	ReadReplicas = "READ_REPLICAS" // one primary for writes, copies for reads
	Federation   = "FEDERATION"    // a database per domain
	Sharding     = "SHARDING"      // one domain's rows over several databases, by key
)

// Database is what the data needs.
type Database struct {
	Strategy    string       `json:"strategy,omitempty"`
	Primaries   int          `json:"primaries,omitempty"`         // databases that take writes, shards counted
	Replicas    int          `json:"replicas,omitempty"`          // of each primary
	Servers     int          `json:"servers,omitempty"`           // all of them
	Shards      int          `json:"shards,omitempty"`            // SHARDING: the primaries
	ShardAbove  float64      `json:"shard_above_bytes,omitempty"` // FEDERATION: where a domain is sharded
	Domains     []DomainPlan `json:"domains,omitempty"`           // FEDERATION
	Connections *Connections `json:"connections,omitempty"`
}

// DomainPlan is one domain's database.
type DomainPlan struct {
	Name   string  `json:"name"`
	Bytes  float64 `json:"bytes,omitempty"`
	Writes float64 `json:"writes_per_second,omitempty"`
	Shards int     `json:"shards"`
}

// database decides how the data grows.
func (q Question) database(a *Answer) {
	asked := q.ReadRatio != nil || q.DataSize > 0 || q.WriteRate > 0 || len(q.Domains) > 0
	connections := q.connections(a)
	if !asked {
		if connections != nil {
			a.unknown(aboutDatabase, "replicas or shards: that takes --read-ratio, --data-size and --write-rate")
			a.Database = &Database{Connections: connections}
		}
		return
	}
	load := q.load(a)
	db := &Database{Connections: connections, Primaries: 1, Shards: 0}
	a.Database = db
	a.assume(aboutDatabase, "one database server may be given %s reads or %s writes a second and holds %s; a write costs as "+
		"much as %g reads, on every replica again: measure yours",
		report.Number(serverWork), report.Number(primaryWrites), Bytes(primaryBytes), writeWork)
	switch {
	case load.onOnePrimary():
		db.Strategy, db.Replicas = ReadReplicas, load.replicas()
		q.explainReplicas(a, load, db.Replicas)
	case len(q.Domains) > 1 && q.ClearBoundaries:
		db.Strategy = Federation
		q.federate(a, db, load)
	default:
		db.Strategy = Sharding
		q.shard(a, db, load)
	}
	db.Servers = db.Primaries * (1 + db.Replicas)
}

func (q Question) explainReplicas(a *Answer, l load, replicas int) {
	a.because(aboutDatabase, "one primary holds %s and takes %s", orUnknown(l.bytes, Bytes(l.bytes).String(), "the data"),
		orUnknown(l.writes, report.Number(l.writes)+" writes a second", "the writes"))
	switch {
	case l.writes == 0:
		a.because(aboutDatabase, "with %s reads, %s: beyond that a replica spends more on repeating writes than on reads",
			report.Percent(l.ratio), report.Count(replicas, "replica"))
	case l.writes*writeWork+l.reads <= serverWork/2:
		a.because(aboutDatabase, "it would serve the %s reads a second as well: the replica is there to take over", report.Number(l.reads))
	default:
		work := l.writes*writeWork + l.reads/float64(replicas)
		a.because(aboutDatabase, "%s reads a second over %s, each with the writes to repeat: %s of %s a server may be given",
			report.Number(l.reads), report.Count(replicas, "replica"), report.Number(work), report.Number(serverWork))
	}
	if l.writes > 0 && replicas > l.useful() {
		a.warn(aboutDatabase, "beyond %s each further one spends more on repeating writes than on reads: cache first",
			report.Count(l.useful(), "replica"))
	}
	if at := l.full(); at != "" {
		warnFull(a, "the primary", at, "decide now what comes after it")
	}
	a.warn(aboutDatabase, "replicas lag: what was just written has to be read from the primary")
	a.change(aboutDatabase, "more than %s of data or %s writes a second: then one primary is not enough, and replicas do not "+
		"help", Bytes(primaryBytes), report.Number(primaryWrites))
	a.change(aboutDatabase, "a shared cache in front: at 90%% hits a tenth of the reads is left")
}

// warnFull says of databases that the plan leaves them no room.
func warnFull(a *Answer, who, at, advice string) {
	a.warn(aboutDatabase, "%s: full from the first day, at %s that one primary is given: %s", who, at, advice)
}

func orUnknown(v float64, known, unknown string) string {
	if v == 0 {
		return unknown
	}
	return known
}

// federate gives each domain its database.
func (q Question) federate(a *Answer, db *Database, l load) {
	a.because(aboutDatabase, "%s", l.whyMore())
	a.because(aboutDatabase, "%d domains with clear boundaries each get a database: no transaction and no join crosses them",
		len(q.Domains))
	db.ShardAbove, db.Primaries = primaryBytes, 0
	shares := q.shares(a, l)
	sharded, full := []string{}, map[string][]string{}
	for i, d := range q.Domains {
		part := l.part(shares[i])
		one := DomainPlan{Name: d.Name, Bytes: part.bytes, Writes: part.writes, Shards: part.shards()}
		if one.Name == "" {
			one.Name = fmt.Sprintf("domain %d", i+1)
		}
		db.Domains = append(db.Domains, one)
		db.Primaries += one.Shards
		each := part.part(1 / float64(one.Shards))
		db.Replicas = max(db.Replicas, each.replicas())
		if at := each.full(); at != "" {
			full[at] = append(full[at], one.Name)
		}
		if one.Shards > 1 {
			sharded = append(sharded, fmt.Sprintf("%s over %d", one.Name, one.Shards))
		}
	}
	if len(sharded) > 0 {
		a.because(aboutDatabase, "still above the limits of one primary and sharded: %s", strings.Join(sharded, ", "))
	}
	for _, at := range slices.Sorted(maps.Keys(full)) {
		warnFull(a, strings.Join(full[at], ", "), at, "begin with twice as many databases there, which leaves room to grow")
	}
	a.because(aboutDatabase, "a domain is sharded in its turn above %s or %s writes a second; orders usually come first",
		Bytes(primaryBytes), report.Number(primaryWrites))
	a.change(aboutDatabase, "a transaction or a join across domains: then the boundaries are not clear, and it is SHARDING")
}

// shard spreads the rows of one database over several.
func (q Question) shard(a *Answer, db *Database, l load) {
	a.because(aboutDatabase, "%s", l.whyMore())
	if len(q.Domains) > 1 {
		a.because(aboutDatabase, "%d domains without clear boundaries cannot live apart: transactions and joins cross them",
			len(q.Domains))
		a.change(aboutDatabase, "boundaries that no transaction and no join crosses (--clear-boundaries): then it is FEDERATION")
	} else {
		a.change(aboutDatabase, "domains that could live apart (--domains, --clear-boundaries): then it is FEDERATION")
	}
	needed := l.shards()
	db.Shards = 1
	for db.Shards < needed {
		db.Shards *= 2
	}
	db.Primaries = db.Shards
	db.Replicas = l.part(1 / float64(db.Shards)).replicas()
	a.because(aboutDatabase, "%s are needed, %d are planned: a power of two splits evenly and leaves room",
		report.Count(needed, "shard"), db.Shards)
	a.warn(aboutDatabase, "choose the key so that a request needs one shard, and so that no key is a tenth of the load: "+
		"resharding later is a migration")
}
