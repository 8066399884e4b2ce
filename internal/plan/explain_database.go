package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/report"
)

// database explains how the data grows.
func (e *Explanation) database(p *Plan) {
	in, db := p.Inputs, p.Database
	if in.asksForConnections() {
		e.connections(p)
	}
	if !in.asksForDatabase() {
		if db != nil {
			e.unknown(TopicDatabase, "replicas or shards: needs %s, %s and %s", FieldReadRatio, FieldDataSize,
				FieldWriteRate)
		}
		return
	}
	if db.load.assumedRatio {
		e.assume(TopicDatabase, "%s of the calls only read (%s)", report.Percent(db.load.ratio), FieldReadRatio)
	}
	if db.load.bytes == 0 {
		e.unknown(TopicDatabase, "whether the data fits on one server (%s)", FieldDataSize)
	}
	if db.load.writes == 0 {
		e.unknown(TopicDatabase, "whether one primary takes the writes (%s)", FieldWriteRate)
	}
	e.assume(TopicDatabase, "one database server serves %s reads or takes %s writes a second and holds %s; a write "+
		"costs as much as %g reads, and again on every replica: measure yours",
		report.Number(serverWork), report.Number(primaryWrites), Bytes(primaryBytes), writeWork)
	switch db.Strategy {
	case ReadReplicas:
		e.replicas(db)
	case Federation:
		e.federation(db, in)
	case Sharding:
		e.sharding(db, in)
	}
}

// connections explains whether all connections fit.
func (e *Explanation) connections(p *Plan) {
	if p.Database == nil || p.Database.Connections == nil {
		e.unknown(TopicDatabase, "the number of connections: needs a number of nodes (%s and %s)", FieldPeakRPS,
			FieldNodeRPS)
		return
	}
	c := p.Database.Connections
	nodes := fmt.Sprintf("%s, one more during a deploy", report.Count(c.Nodes-1, "node"))
	switch {
	case c.Max == 0:
		e.because(TopicDatabase, "%s, with %s each open up to %s to one server: max_connections must be above that",
			nodes, report.Count(c.Pool, "connection"), report.Number(float64(c.Total)))
	case c.Fits:
		e.because(TopicDatabase, "%s: a pool of up to %s each uses at most nine tenths of %s connections",
			nodes, report.Number(float64(c.LargestPool)), report.Number(float64(c.Max)))
	default:
		e.warn(TopicDatabase, "%s, with %s each are %s: more than nine tenths of the %s that the server accepts. "+
			"More nodes open more: use pools of at most %d, or a connection pooler (PgBouncer)",
			nodes, report.Count(c.Pool, "connection"), report.Number(float64(c.Total)), report.Number(float64(c.Max)),
			c.LargestPool)
	}
}

// replicas explains one primary with replicas.
func (e *Explanation) replicas(db *Database) {
	l, replicas := db.load, report.Count(db.Replicas, "replica")
	data, writes := "the data", "the writes"
	if l.bytes > 0 {
		data = Bytes(l.bytes).String()
	}
	if l.writes > 0 {
		writes = report.Number(l.writes) + " writes a second"
	}
	e.because(TopicDatabase, "one primary holds %s and takes %s", data, writes)
	switch {
	case l.writes == 0:
		e.because(TopicDatabase, "with %s reads, %s: each further replica spends more work on repeated writes than "+
			"on reads",
			report.Percent(l.ratio), replicas)
	case l.writes*writeWork+l.reads <= serverWork/2:
		e.because(TopicDatabase, "the primary could serve the %s reads a second too: the replica is for failover",
			report.Number(l.reads))
	default:
		work := l.writes*writeWork + l.reads/float64(db.Replicas)
		e.because(TopicDatabase, "%s reads a second over %s, each of which repeats the writes: %s of the %s of one "+
			"server",
			report.Number(l.reads), replicas, report.Number(work), report.Number(serverWork))
	}
	if l.writes > 0 && db.Replicas > l.usefulReplicas() {
		e.warn(TopicDatabase, "after %s each further one spends more work on repeated writes than on reads: use a "+
			"cache first",
			report.Count(l.usefulReplicas(), "replica"))
	}
	if at := fullText(l); at != "" {
		e.full("the primary", at, "decide now what to do after that")
	}
	e.warn(TopicDatabase, "replicas lag: read from the primary what was just written")
	e.change(TopicDatabase, "more than %s of data or %s writes a second: then one primary is not enough, and "+
		"replicas do not help",
		Bytes(primaryBytes), report.Number(primaryWrites))
	e.change(TopicDatabase, "a shared cache in front: with 90%% hits a tenth of the reads is left")
}

// federation explains one database per domain.
func (e *Explanation) federation(db *Database, in Inputs) {
	if in.Domains.unsized() > 0 {
		e.assume(TopicDatabase, "the domains without a size share the data and the writes equally (better: %s)",
			setting{FieldDomains, "orders=30TB,users=2TB"})
	}
	e.because(TopicDatabase, "%s", tooMuchForOnePrimary(db.load))
	e.because(TopicDatabase, "%d domains with clear boundaries each get a database: no transaction and no join "+
		"crosses them", len(db.Domains))
	sharded, full := []string{}, map[string][]string{}
	for _, d := range db.Domains {
		if at := fullText(d.shardLoad); at != "" {
			full[at] = append(full[at], d.Name)
		}
		if d.Shards > 1 {
			sharded = append(sharded, fmt.Sprintf("%s over %d", d.Name, d.Shards))
		}
	}
	if len(sharded) > 0 {
		e.because(TopicDatabase, "still above the limits of one primary and sharded: %s", strings.Join(sharded, ", "))
	}
	for _, at := range slices.Sorted(maps.Keys(full)) {
		e.full(strings.Join(full[at], ", "), at, "start with twice as many databases there")
	}
	e.because(TopicDatabase, "a domain is sharded above %s or %s writes a second; orders are usually the first",
		Bytes(primaryBytes), report.Number(primaryWrites))
	e.change(TopicDatabase, "a transaction or a join across domains: then the boundaries are not clear, and the "+
		"strategy is %s", Sharding)
}

// sharding explains the rows of one database in several.
func (e *Explanation) sharding(db *Database, in Inputs) {
	e.because(TopicDatabase, "%s", tooMuchForOnePrimary(db.load))
	if len(in.Domains) > 1 {
		e.because(TopicDatabase, "%d domains without clear boundaries cannot have separate databases: transactions "+
			"and joins cross them",
			len(in.Domains))
		e.change(TopicDatabase, "boundaries that no transaction and no join crosses (%s): then the strategy is %s",
			FieldClearBoundaries, Federation)
	} else {
		e.change(TopicDatabase, "domains that could have separate databases (%s, %s): then the strategy is %s",
			FieldDomains, FieldClearBoundaries, Federation)
	}
	e.because(TopicDatabase, "%s are needed, %d are planned: a power of two splits evenly and leaves space for growth",
		report.Count(db.shardsNeeded, "shard"), db.Shards)
	e.warn(TopicDatabase, "choose the key so that a request needs one shard, and so that no key has a tenth of the "+
		"load: a later change of shards is a migration")
}

// full warns about databases without space for growth.
func (e *Explanation) full(names, at, advice string) {
	e.warn(TopicDatabase, "%s: full from the first day, at %s of one primary: %s", names, at, advice)
}

// fullText says how much of the limits of one primary the load uses. It returns "" if there is space for growth.
func fullText(l databaseLoad) string {
	var of []string
	bytes, writes := l.fullShares()
	if bytes > 0 {
		of = append(of, fmt.Sprintf("%s of the %s", report.Percent(bytes), Bytes(primaryBytes)))
	}
	if writes > 0 {
		of = append(of, fmt.Sprintf("%s of the %s writes a second", report.Percent(writes),
			report.Number(primaryWrites)))
	}
	return strings.Join(of, " and ")
}

// tooMuchForOnePrimary says which limits of one primary the load exceeds.
func tooMuchForOnePrimary(l databaseLoad) string {
	var why []string
	if l.bytes > primaryBytes {
		why = append(why, fmt.Sprintf("%s are more than the %s of one primary", Bytes(l.bytes), Bytes(primaryBytes)))
	}
	if l.writes > primaryWrites {
		why = append(why, fmt.Sprintf("%s writes a second are more than the %s of one primary",
			report.Number(l.writes), report.Number(primaryWrites)))
	}
	if len(why) == 0 {
		why = append(why, fmt.Sprintf("%s reads a second are more than %d replicas serve", report.Number(l.reads),
			maxReplicas))
	}
	return strings.Join(why, ", and ")
}
