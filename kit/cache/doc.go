// Package cache keeps values in two levels, this process and a shared Redis or Valkey, and never serves a value from before
// an acknowledged write.
//
// Make a [Cache] with [New], hand it a [Loader], and keep [Cache.Run] running beside the server. Read with [Cache.Get]. After
// the transaction of a write has committed, and before the write is acknowledged, call [Cache.Invalidate]: when it has
// returned nil, every read that starts later, on any node, sees the write.
//
// # What makes that true
//
// A fill holds a lease: a token of its own and the key's generation. An invalidation voids both in one script, so a fill that
// began before it is refused, whether it comes from another node or from the same process.
//
// An invalidation carries the database's [Position] after the commit. A load has to reach it before its value is stored, so a
// replica that lags fills nothing.
//
// The script publishes. Every node with a first level drops the key and answers; Invalidate returns when all have. Each
// serves from its first level only while the store has confirmed, within [Options.L1Lease], that invalidations wait for it: a
// node that is cut off stops by itself before anybody goes on without it.
//
// The store's data has an epoch: it changes when the data is lost, or another server answers for it. Nothing stored under an
// earlier epoch counts, so a failover that loses invalidations, or a restart from an old file, brings nothing back. Every read
// and write learns at its own instant who answers, and since when as a master: a replica answers nobody.
//
// # What it does not do
//
// A write that is not followed by Invalidate shows after [Options.TTL] and [Options.Stale] at the latest. Between commit and
// the return of Invalidate, some readers see the old value and some the new one. A Redis master that is cut off and goes on
// serving clients on its side, while another has taken over, serves both sides: set min-replicas-to-write and
// min-replicas-max-lag there. Where scripts may not call INFO, restarts from a file and failovers are not noticed. A machine whose
// monotonic clock stands still while it is suspended may serve its first level for the rest of a lease when it wakes.
package cache
