// Package cache keeps values in two levels: in this process, and in a Redis or Valkey that all nodes share. After an
// acknowledged write it never serves an older value.
//
// Create a [Cache] with [New] and a [Loader]. Keep [Cache.Run] running next to the server. Read with [Cache.Get] or
// [Cache.GetMany]. After the transaction of a write has committed, and before the write is acknowledged, call
// [Cache.Invalidate]. When Invalidate has returned nil, every read that starts later, on any node, sees the write.
//
// # How it keeps the promise
//
// A loader's value is stored only under a lease: a unique token together with the generation of the key. An
// invalidation ends the lease and raises the generation in one script. The store therefore refuses the value of a load
// that began before the invalidation, no matter which node loaded it.
//
// An invalidation can carry the position of the commit in the database's log, see package position. A load has to reach
// that position before its value is stored, so a replica that lags behind cannot fill the cache with an old value.
//
// The script also publishes the invalidation. Each node with a level 1 drops the key and acknowledges; Invalidate
// returns when all have acknowledged. A node serves from level 1 only while the store has confirmed, within
// [Tuning.L1Lease], that invalidations wait for it. A node that is cut off stops serving from level 1 before any
// Invalidate returns without its acknowledgement.
//
// The store's data has an epoch. The epoch changes when the data is lost, or when another server answers for it. Values
// of an earlier epoch are ignored, so old values do not come back after a failover that lost invalidations, or after a
// restart from an old file. Each read and each write checks at the same instant which server answers, and since when
// that server has been a master. Answers of a replica are ignored.
//
// # What it does not promise
//
//   - A write without Invalidate becomes visible when the time to live and [Options.Stale] have passed.
//   - Between the commit and the return of Invalidate, some reads return the old value and some the new one.
//   - Two versions of a cache, see [Options.Version], share nothing. An invalidation reaches only its own version.
//   - A Redis master that is cut off may keep serving clients on its side after another one has taken over. Set
//     min-replicas-to-write and min-replicas-max-lag against that.
//   - Restarts from a file and failovers stay unnoticed if scripts may not call INFO.
//   - A machine whose monotonic clock stops during suspend may serve from level 1 for the rest of a lease after that.
package cache
