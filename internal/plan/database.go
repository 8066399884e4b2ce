package plan

import "fmt"

// DatabaseStrategy is a way in which a database can grow.
type DatabaseStrategy string

const (
	ReadReplicas DatabaseStrategy = "READ_REPLICAS" // one primary for writes, copies for reads
	Federation   DatabaseStrategy = "FEDERATION"    // one database per domain
	Sharding     DatabaseStrategy = "SHARDING"      // the rows of one domain in several databases, by key
)

// Database is what the data needs.
type Database struct {
	Strategy    DatabaseStrategy `json:"strategy,omitempty"`
	Primaries   int              `json:"primaries,omitempty"`         // databases that take writes, with shards
	Replicas    int              `json:"replicas,omitempty"`          // of each primary
	Servers     int              `json:"servers,omitempty"`           // all of them
	Shards      int              `json:"shards,omitempty"`            // SHARDING: the primaries
	ShardAbove  float64          `json:"shard_above_bytes,omitempty"` // FEDERATION: size from which a domain is sharded
	Domains     []DomainPlan     `json:"domains,omitempty"`           // FEDERATION
	Connections *Connections     `json:"connections,omitempty"`

	load         databaseLoad
	shardsNeeded int // SHARDING: before rounding up to a power of two
}

// DomainPlan is the database of one domain.
type DomainPlan struct {
	Name   string  `json:"name"`
	Bytes  float64 `json:"bytes,omitempty"`
	Writes float64 `json:"writes_per_second,omitempty"`
	Shards int     `json:"shards"`

	shardLoad databaseLoad // of each shard
}

// Connections are the connections that all nodes together open to one database server.
type Connections struct {
	Nodes       int  `json:"nodes"`                  // one more than in the plan, because a deploy starts new nodes first
	Pool        int  `json:"pool,omitempty"`         // per node, as given
	Total       int  `json:"total,omitempty"`        // Nodes × Pool
	Max         int  `json:"max,omitempty"`          // that the server accepts, as given
	LargestPool int  `json:"largest_pool,omitempty"` // per node, that fits in Max
	Fits        bool `json:"fits"`
}

// planDatabase decides how the data grows. It returns nil if the inputs do not ask.
func planDatabase(in Inputs, fleet *Fleet) *Database {
	db := &Database{Connections: countConnections(in, fleet)}
	if !in.asksForDatabase() {
		if db.Connections == nil {
			return nil
		}
		return db
	}
	db.load = newDatabaseLoad(in)
	db.Primaries = 1
	switch {
	case db.load.fitsOnePrimary():
		db.Strategy, db.Replicas = ReadReplicas, db.load.replicas()
	case len(in.Domains) > 1 && in.ClearBoundaries:
		db.Strategy = Federation
		db.federate(in.Domains)
	default:
		db.Strategy = Sharding
		db.shard()
	}
	db.Servers = db.Primaries * (1 + db.Replicas)
	return db
}

// defaultReadRatio is the share of reads if the inputs do not give it.
const defaultReadRatio = 0.8

func newDatabaseLoad(in Inputs) databaseLoad {
	l := databaseLoad{bytes: float64(in.DataSize), writes: float64(in.WriteRate), ratio: defaultReadRatio,
		assumedRatio: true}
	l.bytes = max(l.bytes, in.Domains.bytes())
	if in.ReadRatio != nil {
		l.ratio, l.assumedRatio = float64(*in.ReadRatio), false
	}
	if l.writes > 0 && l.ratio < 1 {
		l.reads = l.writes * l.ratio / (1 - l.ratio)
	}
	return l
}

func (in Inputs) asksForDatabase() bool {
	return in.ReadRatio != nil || in.DataSize > 0 || in.WriteRate > 0 || len(in.Domains) > 0
}

func (in Inputs) asksForConnections() bool { return in.Pool > 0 || in.MaxConnections > 0 }

// countConnections returns the connections of all nodes, or nil if the inputs do not ask or the nodes are not known.
func countConnections(in Inputs, fleet *Fleet) *Connections {
	if !in.asksForConnections() || fleet == nil || !fleet.Reachable {
		return nil
	}
	c := &Connections{Nodes: fleet.Nodes + 1, Pool: in.Pool, Max: in.MaxConnections}
	c.Total = c.Nodes * c.Pool
	c.LargestPool = c.Max * 9 / 10 / c.Nodes // a tenth is reserved for replication, migrations and people
	c.Fits = c.Max == 0 || c.Pool <= c.LargestPool && c.LargestPool > 0
	return c
}

// federate gives each domain a database.
func (db *Database) federate(domains Domains) {
	db.ShardAbove, db.Primaries = primaryBytes, 0
	for i, share := range domains.shares(db.load.bytes) {
		part := db.load.part(share)
		one := DomainPlan{Name: domains[i].Name, Bytes: part.bytes, Writes: part.writes, Shards: part.shards()}
		if one.Name == "" {
			one.Name = fmt.Sprintf("domain %d", i+1)
		}
		one.shardLoad = part.part(1 / float64(one.Shards))
		db.Domains = append(db.Domains, one)
		db.Primaries += one.Shards
		db.Replicas = max(db.Replicas, one.shardLoad.replicas())
	}
}

// shard distributes the rows of one database over a power of two of databases.
func (db *Database) shard() {
	db.shardsNeeded = db.load.shards()
	db.Shards = 1
	for db.Shards < db.shardsNeeded {
		db.Shards *= 2
	}
	db.Primaries = db.Shards
	db.Replicas = db.load.part(1 / float64(db.Shards)).replicas()
}
