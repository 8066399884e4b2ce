package cache

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// put stores a value by scripts, as a load does.
func put(t *testing.T, s *redisStore, name, value string) {
	t.Helper()
	token := "of " + name
	a, err := s.acquire(t.Context(), name, question{token: token, lease: time.Minute})
	if err != nil || !a.granted {
		t.Fatalf("acquire: %+v %v", a, err)
	}
	f := filling{token: token, epoch: a.epoch, gen: a.gen, value: []byte(value), soft: time.Hour, hard: 2 * time.Hour}
	if v, err := s.fill(t.Context(), name, f); v != stored || err != nil {
		t.Fatalf("fill: %s %v", v, err)
	}
}

func sees(t *testing.T, s *redisStore, name string) bool {
	t.Helper()
	_, ok, err := s.look(t.Context(), name, 1)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestLookGoesByTheServersPresentTerm changes a server's role under one connection: what stands in its memory stays the same
// throughout.
func TestLookGoesByTheServersPresentTerm(t *testing.T) {
	master, other := startRedis(t), startRedis(t)
	here, there := newRedisStore(connect(t, master.address), "look/1"), newRedisStore(connect(t, other.address), "look/1")
	follow(t, there.client, master)
	put(t, here, "a", "one")
	entry := here.keys(object{'k', "a"})[1]
	until(t, "the replica has the value", func() bool { return strings.Contains(say(t, there.client, "HEXISTS", entry, "by"), "1") })
	if !sees(t, here, "a") {
		t.Fatal("a fresh value is not seen")
	}
	if sees(t, there, "a") {
		t.Error("a replica answers")
	}
	say(t, there.client, "REPLICAOF", "NO", "ONE")
	if sees(t, there, "a") {
		t.Error("a replica that took over answers for the master before it")
	}
	put(t, there, "b", "two")
	if !sees(t, there, "b") {
		t.Error("a replica that took over does not answer for itself")
	}
	other.pause()
	defer other.carryOn()
	host, port, _ := net.SplitHostPort(other.address)
	say(t, here.client, "REPLICAOF", host, port)
	if sees(t, here, "a") {
		t.Error("a master that was demoted answers while it waits for the other's data")
	}
	say(t, here.client, "REPLICAOF", "NO", "ONE")
	if sees(t, here, "a") {
		t.Error("a master that was demoted and promoted again answers for its earlier term")
	}
}

// TestDemotedMasterAnswersNobody is the same through the door: what the other master was told, this one does not know.
func TestDemotedMasterAnswersNobody(t *testing.T) {
	server := startRedis(t)
	db := newTable()
	db.set("a", 1)
	client := connect(t, server.address)
	c, err := New(client, "demoted", db.load, &Options[string, int]{StoreTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	get(t, c, "a")
	nobody, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	host, port, _ := net.SplitHostPort(nobody.Addr().String())
	say(t, client, "REPLICAOF", host, port)
	db.set("a", 2)
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

// TestUserWithoutInfoIsServedByScripts: the look is refused to it, and nothing else.
func TestUserWithoutInfoIsServedByScripts(t *testing.T) {
	server := startRedis(t)
	say(t, connect(t, server.address), "ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-info")
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{server.address}, DisableCache: true, ForceSingleClient: true, Username: "limited", Password: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	db := newTable()
	db.set("a", 1)
	c, err := New(client, "limited", db.load, &Options[string, int]{StoreTimeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	get(t, c, "a")
	get(t, c, "a")
	if s := c.Stats(); s.Loads != 1 || s.HitsL2 != 1 || s.StoreErrors != 0 {
		t.Errorf("%+v", s)
	}
	if sees(t, newRedisStore(client, "limited/1"), "a") {
		t.Error("a look goes by, although the server does not say who it is")
	}
}
