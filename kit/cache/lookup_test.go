package cache

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// put stores a value with the scripts, as a load does.
func put(t *testing.T, s *redisStore, name, value string) {
	t.Helper()
	token := "of " + name
	e, err := s.acquire(t.Context(), name, leaseRequest{token: token, lease: time.Minute})
	if err != nil || !e.granted {
		t.Fatalf("acquire: %+v %v", e, err)
	}
	v := newValue{
		token: token, epoch: e.epoch, generation: e.generation, value: []byte(value), freshFor: time.Hour, keepFor: 2 * time.Hour,
	}
	if result, err := s.fill(t.Context(), name, v); result != fillStored || err != nil {
		t.Fatalf("fill: %s %v", result, err)
	}
}

// sees reports whether a lookup finds a value.
func sees(t *testing.T, s *redisStore, name string) bool {
	t.Helper()
	e, err := s.lookup(t.Context(), name, 1)
	if err != nil {
		t.Fatal(err)
	}
	many, err := s.lookupMany(t.Context(), []string{name}, 1)
	if err != nil || many[0].found != e.found {
		t.Errorf("lookup and lookupMany differ: %t, %+v, %v", e.found, many, err)
	}
	return e.found
}

// unclocked returns a store for a test of servers.
func unclocked(client rueidis.Client, prefix string) *redisStore {
	return newRedisStore(client, prefix, "tested", time.Minute)
}

// TestLookupChecksTheServersCurrentTerm changes a server's role under one connection. The data in its memory stays the
// same.
func TestLookupChecksTheServersCurrentTerm(t *testing.T) {
	master, other := startServer(t), startServer(t)
	here, there := unclocked(master.Client(), "look/1"), unclocked(other.Client(), "look/1")
	follow(t, there.client, master)
	put(t, here, "a", "one")
	entry := here.keys(object{'k', "a"})[1]
	eventually(t, "the replica has the value", func() bool {
		return strings.Contains(command(t, there.client, "HEXISTS", entry, "by"), "1")
	})
	if !sees(t, here, "a") {
		t.Fatal("a fresh value is not found")
	}
	if sees(t, there, "a") {
		t.Error("the answer of a replica was used")
	}
	command(t, there.client, "REPLICAOF", "NO", "ONE")
	if sees(t, there, "a") {
		t.Error("a replica that took over: its old value was used")
	}
	put(t, there, "b", "two")
	if !sees(t, there, "b") {
		t.Error("a replica that took over: its new value was not found")
	}
	other.Pause()
	defer other.Resume()
	host, port, _ := net.SplitHostPort(other.Addr())
	command(t, here.client, "REPLICAOF", host, port)
	if sees(t, here, "a") {
		t.Error("a demoted master that waits for the other's data: its value was used")
	}
	command(t, here.client, "REPLICAOF", "NO", "ONE")
	if sees(t, here, "a") {
		t.Error("a master that was demoted and promoted again: its old value was used")
	}
}

// TestAnswersOfADemotedMasterAreIgnored is the same through Get. A demoted master does not know what the new master was
// told.
func TestAnswersOfADemotedMasterAreIgnored(t *testing.T) {
	server := startServer(t)
	db := newTable()
	db.set("a", 1)
	client := server.Client()
	c := newCache(t, client, "demoted", db, &Options[string, int]{Tuning: Tuning{StoreTimeout: patient}})
	get(t, c, "a")
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	host, port, _ := net.SplitHostPort(silent.Addr().String())
	command(t, client, "REPLICAOF", host, port)
	db.set("a", 2)
	if v := get(t, c, "a"); v != 2 {
		t.Errorf("got %d after the write of 2", v)
	}
}

// TestUserWithoutInfoIsServedByScripts uses a user who may not call INFO. The server refuses the lookup and nothing
// else.
func TestUserWithoutInfoIsServedByScripts(t *testing.T) {
	server := startServer(t)
	command(t, server.Client(), "ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-info")
	client := server.Client(func(o *rueidis.ClientOption) { o.Username, o.Password = "limited", "secret" })
	db := newTable()
	db.set("a", 1)
	c := newCache(t, client, "limited", db, &Options[string, int]{Tuning: Tuning{StoreTimeout: patient}})
	get(t, c, "a")
	get(t, c, "a")
	if s := c.Stats(); s.Loads != 1 || s.HitsL2 != 1 || s.StoreErrors != 0 {
		t.Errorf("want one load and one hit: %+v", s)
	}
	if sees(t, unclocked(client, "limited/1"), "a") {
		t.Error("a lookup succeeded, although the server does not tell its identity")
	}
}
