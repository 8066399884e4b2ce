package cache

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// follow makes a server a replica and waits for the master's data. A master takes a new replication id for its first replica,
// and with it a new epoch: what a test wants to have on both has to come after.
func follow(t *testing.T, client rueidis.Client, master *realRedis) {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.address)
	say(t, client, "REPLICAOF", host, port)
	until(t, "the replica follows", func() bool {
		return strings.Contains(say(t, client, "INFO", "replication"), "master_link_status:up")
	})
}

// TestReplicaThatTakesOverBringsNothingBack kills a server after an invalidation that its replica has not got.
func TestReplicaThatTakesOverBringsNothingBack(t *testing.T) {
	master, replica := startRedis(t), startRedis(t)
	db := newTable()
	db.set("a", 1)
	o := &Options[string, int]{L1Lease: 200 * time.Millisecond, StoreTimeout: patient}
	atMaster, atReplica := connect(t, master.address), connect(t, replica.address)
	before, err := New(atMaster, "failover", db.load, o)
	if err != nil {
		t.Fatal(err)
	}
	follow(t, atReplica, master)
	get(t, before, "a")
	until(t, "the replica has the value", func() bool {
		entry := (&redisStore{prefix: "failover/1"}).keys(object{'k', "a"})[1]
		return strings.Contains(say(t, atReplica, "HEXISTS", entry, "by"), "1")
	})
	say(t, atReplica, "REPLICAOF", "NO", "ONE") // what comes now, it does not get
	db.set("a", 2)
	if err := before.Invalidate(t.Context(), Position{}, "a"); err != nil {
		t.Fatal(err)
	}
	master.kill()
	after, err := New(atReplica, "failover", db.load, o)
	if err != nil {
		t.Fatal(err)
	}
	if i, err := after.Inspect(t.Context(), "a"); err != nil || !strings.Contains(i.Why, "before its last restart, failover or flush") {
		t.Errorf("the replica should still hold the old value: %v %v", i, err)
	}
	if v := get(t, after, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

// TestMasterThatComesBackBringsNothingBack demotes a master, which loses an invalidation to the other's data, and promotes it
// again, without anybody having touched the key in between.
func TestMasterThatComesBackBringsNothingBack(t *testing.T) {
	master, other := startRedis(t), startRedis(t)
	db := newTable()
	db.set("a", 1)
	atMaster, atOther := connect(t, master.address), connect(t, other.address)
	c, err := New(atMaster, "failback", db.load, &Options[string, int]{L1Lease: 200 * time.Millisecond, StoreTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	follow(t, atOther, master)
	get(t, c, "a")
	entry := (&redisStore{prefix: "failback/1"}).keys(object{'k', "a"})[1]
	until(t, "the replica has the value", func() bool { return strings.Contains(say(t, atOther, "HEXISTS", entry, "by"), "1") })
	say(t, atOther, "REPLICAOF", "NO", "ONE")
	db.set("a", 2)
	if err := c.Invalidate(t.Context(), Position{}, "a"); err != nil {
		t.Fatal(err)
	}
	follow(t, atMaster, other)
	if !strings.Contains(say(t, atMaster, "HEXISTS", entry, "by"), "1") {
		t.Error("the other's data should still hold the old value")
	}
	say(t, atMaster, "REPLICAOF", "NO", "ONE")
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

// TestRestartFromAnOldFileBringsNothingBack is the same with a snapshot on disk.
func TestRestartFromAnOldFileBringsNothingBack(t *testing.T) {
	server := startRedis(t)
	db := newTable()
	db.set("a", 1)
	client := connect(t, server.address)
	c, err := New(client, "restart", db.load, &Options[string, int]{L1Lease: 200 * time.Millisecond, StoreTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	get(t, c, "a")
	say(t, client, "SAVE")
	db.set("a", 2)
	if err := c.Invalidate(t.Context(), Position{}, "a"); err != nil {
		t.Fatal(err)
	}
	server.kill()
	server.start()
	if n := say(t, connect(t, server.address), "DBSIZE"); !strings.Contains(n, "2") {
		t.Errorf("the file was not loaded: %s keys", n)
	}
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

// cluster is three masters that share the slots out.
func cluster(t *testing.T) (addresses []string) {
	t.Helper()
	var nodes []rueidis.Client
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, bus, _ := net.SplitHostPort(l.Addr().String())
		l.Close()
		r := startRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "15000")
		client := connect(t, r.address)
		first := len(nodes) * 16384 / 3
		say(t, client, "CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(first), fmt.Sprint((len(nodes)+1)*16384/3-1))
		if len(nodes) > 0 {
			host, port, _ := net.SplitHostPort(r.address)
			say(t, nodes[0], "CLUSTER", "MEET", host, port, bus)
		}
		nodes, addresses = append(nodes, client), append(addresses, r.address)
	}
	for _, n := range nodes {
		until(t, "the cluster forms", func() bool { return strings.Contains(say(t, n, "CLUSTER", "INFO"), "cluster_state:ok") })
	}
	return addresses
}

func TestRedisCluster(t *testing.T) {
	addresses := cluster(t)
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
			L1Lease: 2 * time.Second, StoreTimeout: patient,
			Tags: func(key string) []string { return []string{"tag" + key[:2], "all"} },
		})
		if err != nil {
			t.Fatal(err)
		}
		running(t, c)
		nodes, stores = append(nodes, c), append(stores, newRedisStore(client, "cluster/1"))
	}
	const keys = 60
	all := func(version int) {
		t.Helper()
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
			t.Errorf("key %d is there, but a look does not see it", i)
		}
	}
	if n := db.loads.Load(); n != keys {
		t.Errorf("%d loads of %d keys", n, keys)
	}
	write(2)
	for i := range keys {
		if err := nodes[0].Invalidate(t.Context(), Position{}, fmt.Sprintf("%02d", i)); err != nil {
			t.Fatal(err)
		}
	}
	all(2)
	write(3)
	if err := nodes[1].InvalidateTags(t.Context(), Position{}, "all"); err != nil {
		t.Fatal(err)
	}
	all(3)
	for i, c := range nodes {
		s := c.Stats()
		t.Logf("node %d: %d hits here, %d in the store, %d loads, %d heard, %d expelled", i, s.HitsL1, s.HitsL2, s.Loads, s.Heard, s.Expelled)
		if s.HitsL1 == 0 || s.Heard < keys {
			t.Errorf("%+v", s)
		}
	}
}
