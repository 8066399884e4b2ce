package cache

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// follow makes a server a replica and waits for the data of the master. A master takes a new replication ID, and with
// it a new epoch, for its first replica. So data that a test needs on both must be written after follow.
func follow(t *testing.T, client rueidis.Client, master *redistest.Server) {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr())
	command(t, client, "REPLICAOF", host, port)
	eventually(t, "the replica follows", func() bool {
		return strings.Contains(command(t, client, "INFO", "replication"), "master_link_status:up")
	})
}

// shortLease returns options for tests that wait for a lease.
func shortLease() *Options[string, int] {
	return &Options[string, int]{Tuning: Tuning{L1Lease: 200 * time.Millisecond, StoreTimeout: patient}}
}

// TestFailoverDoesNotBringOldValuesBack kills a server after an invalidation that its replica has not received.
func TestFailoverDoesNotBringOldValuesBack(t *testing.T) {
	master, replica := startServer(t), startServer(t)
	db := newTable()
	db.set("a", 1)
	o := shortLease()
	atMaster, atReplica := master.Client(), replica.Client()
	before := newCache(t, atMaster, "failover", db, o)
	follow(t, atReplica, master)
	get(t, before, "a")
	eventually(t, "the replica has the value", func() bool {
		entry := (&redisStore{prefix: "failover/1"}).keys(object{'k', "a"})[1]
		return strings.Contains(command(t, atReplica, "HEXISTS", entry, "by"), "1")
	})
	command(t, atReplica, "REPLICAOF", "NO", "ONE") // it does not receive what follows
	db.set("a", 2)
	if err := before.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	master.Kill()
	after := newCache(t, atReplica, "failover", db, o)
	i, err := after.Inspect(t.Context(), "a")
	if err != nil || !strings.Contains(i.Reason, "before its last restart, failover or flush") {
		t.Errorf("the replica should still have the old value: %v %v", i, err)
	}
	if v := get(t, after, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

// TestFailbackDoesNotBringOldValuesBack demotes a master, which loses an invalidation, and promotes it again. No call
// touches the key in between.
func TestFailbackDoesNotBringOldValuesBack(t *testing.T) {
	master, other := startServer(t), startServer(t)
	db := newTable()
	db.set("a", 1)
	atMaster, atOther := master.Client(), other.Client()
	c := newCache(t, atMaster, "failback", db, shortLease())
	follow(t, atOther, master)
	get(t, c, "a")
	entry := (&redisStore{prefix: "failback/1"}).keys(object{'k', "a"})[1]
	eventually(t, "the replica has the value", func() bool {
		return strings.Contains(command(t, atOther, "HEXISTS", entry, "by"), "1")
	})
	command(t, atOther, "REPLICAOF", "NO", "ONE")
	db.set("a", 2)
	if err := c.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	follow(t, atMaster, other)
	if !strings.Contains(command(t, atMaster, "HEXISTS", entry, "by"), "1") {
		t.Error("the other's data should still have the old value")
	}
	command(t, atMaster, "REPLICAOF", "NO", "ONE")
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

// TestRestartDoesNotBringOldValuesBack restarts a server from a snapshot that is older than an invalidation.
func TestRestartDoesNotBringOldValuesBack(t *testing.T) {
	server := startServer(t)
	db := newTable()
	db.set("a", 1)
	client := server.Client()
	c := newCache(t, client, "restart", db, shortLease())
	get(t, c, "a")
	command(t, client, "SAVE")
	db.set("a", 2)
	if err := c.Invalidate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	if n := command(t, server.Client(), "DBSIZE"); !strings.Contains(n, "2") {
		t.Errorf("the file was not loaded: %s keys", n)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

// startCluster starts three masters that share the slots.
func startCluster(t *testing.T) (addresses []string) {
	t.Helper()
	var nodes []rueidis.Client
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, bus, _ := net.SplitHostPort(l.Addr().String())
		l.Close()
		r := startServer(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "15000")
		client := r.Client()
		first := len(nodes) * 16384 / 3
		command(t, client, "CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(first), fmt.Sprint((len(nodes)+1)*16384/3-1))
		if len(nodes) > 0 {
			host, port, _ := net.SplitHostPort(r.Addr())
			command(t, nodes[0], "CLUSTER", "MEET", host, port, bus)
		}
		nodes, addresses = append(nodes, client), append(addresses, r.Addr())
	}
	for _, n := range nodes {
		eventually(t, "the cluster forms", func() bool {
			return strings.Contains(command(t, n, "CLUSTER", "INFO"), "cluster_state:ok")
		})
	}
	return addresses
}

func TestRedisCluster(t *testing.T) {
	addresses := startCluster(t)
	db := newTable()
	var nodes []*Cache[string, int]
	var stores []*redisStore
	for range 2 {
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: addresses, DisableCache: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		c, err := New(client, "cluster", db.load, &Options[string, int]{
			Tuning: Tuning{L1Lease: 2 * time.Second, StoreTimeout: patient},
			Tags:   func(key string) []string { return []string{"tag" + key[:2], "all"} },
		})
		if err != nil {
			t.Fatal(err)
		}
		startRun(t, c)
		nodes, stores = append(nodes, c), append(stores, unclocked(client, "cluster/1"))
	}
	const keys = 60
	all := func(version int) {
		t.Helper()
		for _, c := range nodes {
			values, err := c.GetMany(t.Context(), slices.Collect(maps.Keys(db.rows)))
			if err != nil || len(values) != keys {
				t.Fatalf("got %d of %d keys: %v", len(values), keys, err)
			}
			for key, v := range values {
				if v != version {
					t.Fatalf("key %s of many: got %d, not %d", key, v, version)
				}
			}
		}
		for i := range keys {
			for _, c := range nodes {
				if v := get(t, c, fmt.Sprintf("%02d", i)); v != version {
					t.Fatalf("key %d: got %d, not %d", i, v, version)
				}
			}
		}
	}
	write := func(version int) {
		for i := range keys {
			db.set(fmt.Sprintf("%02d", i), version)
		}
	}
	write(1)
	all(1)
	all(1)
	for i := range keys {
		if !sees(t, stores[i%2], fmt.Sprintf("%02d", i)) {
			t.Errorf("a lookup does not find key %d", i)
		}
	}
	if n := db.loads.Load(); n != keys {
		t.Errorf("%d loads of %d keys", n, keys)
	}
	write(2)
	for i := range keys {
		if err := nodes[0].Invalidate(t.Context(), fmt.Sprintf("%02d", i)); err != nil {
			t.Fatal(err)
		}
	}
	all(2)
	write(3)
	if err := nodes[1].InvalidateTags(t.Context(), "all"); err != nil {
		t.Fatal(err)
	}
	all(3)
	for i, c := range nodes {
		s := c.Stats()
		t.Logf("node %d: %d hits in level 1, %d in the store, %d loads, %d invalidations received, %d nodes evicted",
			i, s.HitsL1, s.HitsL2, s.Loads, s.Received, s.NodesEvicted)
		if s.HitsL1 == 0 || s.Received < keys {
			t.Errorf("want hits in level 1, and all invalidations: %+v", s)
		}
	}
}
