package cache

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// TestNodesWithOtherSettingsMayNotJoin starts a node, and processes whose settings differ from it in one point each.
func TestNodesWithOtherSettingsMayNotJoin(t *testing.T) {
	server := startServer(t)
	db := newTable()
	db.set("a", 1)
	o := Options[string, int]{Tuning: Tuning{L1Lease: 30 * time.Second, StoreTimeout: patient}}
	first := newCache(t, server.Client(), "test", db, &o)
	forgetLostNodes(t, first)
	stop := startRun(t, first)
	lease, key, tags, version := o, o, o, o
	lease.Tuning.L1Lease = 10 * time.Second
	key.Key, key.ParseKey = strconv.Quote, strconv.Unquote
	tags.Tags = func(string) []string { return []string{"all"} }
	version.Version = "2"
	for name, other := range map[string]*Options[string, int]{"lease": &lease, "key": &key, "tags": &tags} {
		c := newCache(t, server.Client(), "test", db, other)
		settings := (*SettingsError)(nil)
		if err := c.Run(t.Context()); !errors.As(err, &settings) || settings.Own == settings.Other {
			t.Errorf("%s: Run returns %v", name, err)
		} else {
			t.Log(err)
		}
		if err := c.Invalidate(t.Context(), "a"); !errors.As(err, &settings) || !errors.As(err, new(*UnconfirmedError)) {
			t.Errorf("%s: Invalidate returns %v", name, err)
		}
		if v := get(t, c, "a"); v != 1 {
			t.Errorf("%s: got %d without level 1", name, v)
		}
	}
	// Another version shares nothing with the first one, so it may have other settings.
	version.Tuning.L1Lease = 10 * time.Second
	next := newCache(t, server.Client(), "test", db, &version)
	forgetLostNodes(t, next)
	startRun(t, next)
	if err := next.Invalidate(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if first.Stats().Flushes != 0 {
		t.Error("the first node lost its level 1")
	}
	// When all nodes have left, the next one may bring other settings.
	stop()
	second := newCache(t, server.Client(), "test", db, &tags)
	startRun(t, second)
	if err := first.Run(t.Context()); !errors.As(err, new(*SettingsError)) {
		t.Errorf("a node with the former settings: Run returns %v", err)
	}
}

// TestSettingsOfDeadNodesExpire lets all nodes of a cache die without notice. Their settings hold for their lease.
func TestSettingsOfDeadNodesExpire(t *testing.T) {
	s, clock := newClockedStore(t, "test/1") // with a lease of a minute
	if _, err := s.join(t.Context(), "dead"); err != nil {
		t.Fatal(err)
	}
	other := clock.store("test/1")
	other.settings, other.lease = "other", time.Second
	clock.pass(59 * time.Second)
	if _, err := other.join(t.Context(), "next"); !errors.As(err, new(*SettingsError)) {
		t.Errorf("join within the lease of a dead node: %v", err)
	}
	if ok, err := s.renew(t.Context(), "dead"); !ok || err != nil {
		t.Errorf("renew: %t, %v", ok, err)
	}
	clock.pass(59 * time.Second)
	if _, err := other.members(t.Context()); !errors.As(err, new(*SettingsError)) {
		t.Errorf("list within the renewed lease: %v", err)
	}
	clock.pass(time.Second)
	list, err := other.join(t.Context(), "next")
	if err != nil || list.live["dead"] || !list.live["next"] || list.lease != time.Minute {
		t.Errorf("join after the lease: %+v, %v", list, err)
	}
	if ok, err := s.renew(t.Context(), "dead"); ok || err != nil {
		t.Errorf("a dead node renews after its eviction: %t, %v", ok, err)
	}
}

// TestSettingsAreText checks which differences the settings show.
func TestSettingsAreText(t *testing.T) {
	settings := func(o Options[string, int]) string {
		t.Helper()
		checked, err := o.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		return checked.settings(o.Key != nil)
	}
	parse := func(s string) (string, error) { return s, nil }
	for want, o := range map[string]Options[string, int]{
		"L1Lease 2s, Key string, Tags none":    {},
		"L1Lease 100ms, Key string, Tags none": {Tuning: Tuning{L1Lease: 100 * time.Millisecond}},
		`L1Lease 2s, Key function ("k:" for the zero key), Tags none`: {
			Key: func(s string) string { return "k:" + s }, ParseKey: parse,
		},
		`L1Lease 2s, Key string, Tags function (["a" "b"] for the zero key)`: {
			Tags: func(string) []string { return []string{"b", "a"} },
		},
		"L1Lease 2s, Key string, Tags function": {Tags: func(s string) []string { return []string{s[:3]} }}, // panics
	} {
		if got := settings(o); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	long := func(tag string) string {
		return settings(Options[string, int]{Tags: func(string) []string { return []string{tag + string(make([]byte, 300))} }})
	}
	if a, b := long("a"), long("b"); len(a) > maxSettingsBytes || a == b {
		t.Errorf("long settings: %q and %q", a, b)
	}
}

// TestClientThatReadsFromReplicasIsRefused also guards against a rueidis that keeps its options elsewhere.
func TestClientThatReadsFromReplicasIsRefused(t *testing.T) {
	server := redistest.StartCluster(t)
	load := func(context.Context, string) (int, error) { return 0, nil }
	plain := server.Client(redistest.Cluster)
	if _, err := New(plain, "test", load, nil); err != nil {
		t.Error(err)
	}
	for name, adjust := range map[string]func(*rueidis.ClientOption){
		"SendToReplicas": func(o *rueidis.ClientOption) { o.SendToReplicas = func(rueidis.Completed) bool { return false } },
		"ReplicaOnly":    func(o *rueidis.ClientOption) { o.ReplicaOnly = true },
		"standalone": func(o *rueidis.ClientOption) {
			o.SendToReplicas = func(rueidis.Completed) bool { return false }
			o.Standalone.ReplicaAddress = []string{server.Addr()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(server.Client(redistest.Cluster, adjust), "test", load, nil); err == nil {
				t.Error("the client was accepted")
			} else {
				t.Log(err)
			}
		})
	}
}
