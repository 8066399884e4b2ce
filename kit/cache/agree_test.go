package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/position"
)

// TestModelAgreesWithScripts runs random calls against the scripts and against the model of the simulator, and compares
// every answer. In the first run the test controls the time, so that everything expires. In the second run the scripts
// see the time of the server, and nothing expires.
func TestModelAgreesWithScripts(t *testing.T) {
	t.Run("controlled time", func(t *testing.T) {
		_, clock := newClockedStore(t, "none")
		agree(t, 20, clock.store, clock.now.UnixMicro(), clock.pass)
	})
	t.Run("server time", func(t *testing.T) {
		client := startServer(t).Client()
		store := func(prefix string) *redisStore { return newRedisStore(client, prefix, "tested", time.Minute) }
		agree(t, 20, store, 1e6, nil)
	})
}

func agree(t *testing.T, rounds int, store func(prefix string) *redisStore, start int64, pass func(time.Duration)) {
	found, set := 0, 0
	for round := range rounds {
		epochs := 0
		prefix := fmt.Sprintf("agree%d/1", round)
		x := &comparison{
			rng: rand.New(rand.NewPCG(uint64(round), 1)), s: store(prefix), pass: pass, names: map[string]string{},
			m: newModel(prefix, "", func() string { epochs++; return fmt.Sprint("e", epochs) }),
		}
		x.m.now = start
		var history []string
		for x.step = range 300 {
			op, real, want := x.run(t.Context())
			history = append(history, fmt.Sprintf("%d: %s: %s", x.step, op, want))
			if real != want {
				last := strings.Join(history[max(0, len(history)-12):], "\n")
				t.Fatalf("seed %d step %d %s:\nscript %s\nmodel  %s\n\n%s", round, x.step, op, real, want, last)
			}
		}
		found += x.found
		set += x.set
	}
	if found < rounds || set < rounds {
		t.Errorf("%d lookups found something and %d values were set: too few to show anything", found, set)
	}
}

// comparison is one random run. Epochs are random on the server, and its generations start from its clock, so names
// translates them to those of the model.
type comparison struct {
	rng   *rand.Rand
	s     *redisStore
	m     *model
	pass  func(time.Duration) // nil: the scripts see the time of the server
	step  int
	names map[string]string // from the server's to the model's

	grants, reserved []grant
	found, set       int
}

// grant is what both sides have given out for a fill or a set: token, epoch, generation and needed position.
type grant struct{ real, model newValue }

// run makes one random call on both sides.
func (x *comparison) run(ctx context.Context) (op, real, want string) {
	name := fmt.Sprint("k", x.rng.IntN(3))
	at := pos(uint64(x.rng.IntN(2)), uint64(x.rng.IntN(50)))
	switch n := x.rng.IntN(17); n {
	case 0, 1, 2:
		real, want = x.acquire(ctx, name)
		return "acquire " + name, real, want
	case 3, 4, 5:
		real, want = x.fill(ctx, name, at)
		return "fill " + name, real, want
	case 6:
		real, want = x.release(ctx, name)
		return "release " + name, real, want
	case 7, 8:
		o := object{"kt"[n-7], name}
		x.m.invalidate(o, at, "m", nil)
		stored, err := x.s.invalidate(ctx, o, at, "m", nil)
		return "invalidate " + name, fmt.Sprint(stored, err), "false <nil>"
	case 9:
		real, want = x.tagVersions(ctx)
		return "tag versions", real, want
	case 10:
		real, want = x.members(ctx)
		return "members", real, want
	case 11, 12:
		real, want = x.lookup(ctx, name)
		return "lookup " + name, real, want
	case 13:
		epoch, generation, err := x.s.reserve(ctx, name)
		modelEpoch, modelGeneration, _ := x.m.version(object{'k', name}, 0)
		x.reserved = append(x.reserved, grant{
			real:  newValue{epoch: epoch, generation: generation},
			model: newValue{epoch: modelEpoch, generation: modelGeneration},
		})
		real, want = x.translate(epoch, modelEpoch, fmt.Sprint(err), "<nil>", generation, modelGeneration)
		return "reserve " + name, real, want
	case 14:
		real, want = x.setValue(ctx, name, at)
		return "set " + name, real, want
	case 15:
		real, want = x.acks(ctx)
		return "acks", real, want
	}
	if x.pass != nil {
		d := time.Duration(x.rng.IntN(90)) * time.Second
		x.pass(d)
		x.m.now += d.Microseconds()
	} else {
		x.m.now += 1000
	}
	return "time passes", "", ""
}

func (x *comparison) acquire(ctx context.Context, name string) (real, want string) {
	r := leaseRequest{token: fmt.Sprint("t", x.step), lease: time.Minute, early: float64(x.rng.IntN(3))}
	r.maxLag = time.Duration(x.rng.IntN(2)) * time.Hour
	if x.rng.IntN(4) == 0 && len(x.grants) > 0 {
		r.token = x.grants[x.rng.IntN(len(x.grants))].real.token
		r.reject = r.token
	}
	a, err := x.s.acquire(ctx, name, r)
	if x.rng.IntN(3) == 0 && err == nil { // the same question again, together with another key
		var both []entry
		both, err = x.s.acquireMany(ctx, []string{name, name}, []leaseRequest{r, r})
		a = both[1]
		x.m.acquireMany([]string{name, name}, []leaseRequest{r, r})
	}
	b := x.m.acquire(name, r)
	real, want = x.entry(a, err), x.entry(b, nil)
	if a.granted {
		x.names[a.epoch], x.names[a.generation] = b.epoch, b.generation
		x.grants = append(x.grants, grant{
			real:  newValue{token: r.token, epoch: a.epoch, generation: a.generation, needed: a.needed},
			model: newValue{token: r.token, epoch: b.epoch, generation: b.generation, needed: b.needed},
		})
	}
	return x.translate(a.epoch, b.epoch, real, want, a.generation, b.generation)
}

func (x *comparison) fill(ctx context.Context, name string, at position.Position) (real, want string) {
	if len(x.grants) == 0 {
		return "", ""
	}
	g := x.grants[x.rng.IntN(len(x.grants))]
	value := []byte(fmt.Sprintf("value\x00%d", x.step))
	notFound := x.rng.IntN(5) == 0
	fresh := time.Duration(x.rng.IntN(3)+1) * time.Minute
	for _, v := range []*newValue{&g.real, &g.model} {
		v.at, v.value, v.notFound, v.tagVersions = position.Later(at, v.needed), value, notFound, "x"
		v.freshFor, v.keepFor, v.loadTime = fresh, 2*fresh, 20*time.Second
		if x.step%3 == 0 {
			v.at = at
		}
	}
	result, err := x.s.fill(ctx, name, g.real)
	return fmt.Sprint(result, err), fmt.Sprint(x.m.fill(name, g.model), error(nil))
}

func (x *comparison) release(ctx context.Context, name string) (real, want string) {
	if len(x.grants) == 0 {
		return "", ""
	}
	token := x.grants[x.rng.IntN(len(x.grants))].real.token
	x.m.release(name, token, 30*time.Second)
	return fmt.Sprint(x.s.release(ctx, name, token, 30*time.Second)), "<nil>"
}

// setValue uses one of the last reservations, because older ones are nearly always refused. At times it repeats the
// call.
func (x *comparison) setValue(ctx context.Context, name string, at position.Position) (real, want string) {
	if len(x.reserved) == 0 {
		return "", ""
	}
	g := x.reserved[max(0, len(x.reserved)-1-x.rng.IntN(3))]
	for _, v := range []*newValue{&g.real, &g.model} {
		v.token, v.value, v.tagVersions = fmt.Sprint("s", x.step), []byte{byte(x.step)}, "x"
		v.freshFor, v.keepFor = time.Minute, 2*time.Minute
	}
	if x.rng.IntN(2) == 0 {
		at = position.Primary
	}
	for range 1 + x.rng.IntN(2) {
		stored, err := x.s.invalidate(ctx, object{'k', name}, at, "m", &g.real)
		modelStored := x.m.invalidate(object{'k', name}, at, "m", &g.model)
		if stored {
			x.set++
		}
		real, want = real+fmt.Sprint(stored, err), want+fmt.Sprint(modelStored, error(nil))
	}
	return real, want
}

func (x *comparison) lookup(ctx context.Context, name string) (real, want string) {
	early := float64(x.rng.IntN(3))
	a, err := x.s.lookup(ctx, name, early)
	if x.rng.IntN(3) == 0 && err == nil {
		var both []entry
		both, err = x.s.lookupMany(ctx, []string{"other", name}, early)
		a = both[1]
	}
	b := x.m.lookup(name, early)
	if !a.found || !b.found {
		return fmt.Sprint(a.found, err), fmt.Sprint(b.found, error(nil))
	}
	x.found++
	return x.translate(a.epoch, b.epoch, x.entry(a, err), x.entry(b, nil), a.generation, b.generation)
}

func (x *comparison) tagVersions(ctx context.Context) (real, want string) {
	tags, lag := []string{"k0", "k1", "k2"}[x.rng.IntN(3):], time.Duration(x.rng.IntN(2))*time.Hour
	lists := [][]string{tags[:1], nil, tags}
	states, err := x.s.tagVersions(ctx, lists, lag)
	if err != nil {
		return err.Error(), ""
	}
	for i, state := range x.m.tagVersions(lists, lag) {
		versions, ok := x.names[states[i].versions]
		if !ok {
			x.names[states[i].versions] = state.versions
			versions = state.versions
		}
		real += fmt.Sprint(versions, states[i].needed)
		want += fmt.Sprint(state.versions, state.needed)
	}
	return real, want
}

func (x *comparison) members(ctx context.Context) (real, want string) {
	text := func(list memberList, err error) string {
		var names []string
		for node, live := range list.live {
			n := node
			if strings.HasPrefix(n, lostNodes) {
				n = lostNodes
			}
			if list.renewals[node] == "" {
				n += " without a renewal "
			}
			names = append(names, fmt.Sprint(n, live))
		}
		slices.Sort(names)
		return fmt.Sprint(strings.Join(names, " "), list.lease, err)
	}
	node := fmt.Sprint("n", x.rng.IntN(3))
	other := *x.s // at times a node has other settings
	if x.rng.IntN(3) == 0 {
		other.settings, other.lease = "other", 20*time.Second
	}
	switch x.rng.IntN(5) {
	case 0:
		return text(other.join(ctx, node)), text(x.m.join(node, other.settings, other.lease))
	case 1:
		got, err := x.s.renew(ctx, node)
		return fmt.Sprint(got, err), fmt.Sprint(x.m.renew(node), error(nil))
	case 2:
		x.m.evict(node)
		return fmt.Sprint(x.s.evict(ctx, node)), "<nil>"
	case 3:
		x.m.remove(node)
		return fmt.Sprint(x.s.remove(ctx, node)), "<nil>"
	}
	return text(other.members(ctx)), text(x.m.members(other.settings, other.lease))
}

func (x *comparison) acks(ctx context.Context) (real, want string) {
	writer, ack := fmt.Sprint("w", x.rng.IntN(2)), fmt.Sprint("n 1 ", x.step)
	if x.rng.IntN(3) > 0 {
		x.m.storeAck(writer, ack)
		return fmt.Sprint(x.s.storeAck(ctx, writer, ack)), "<nil>"
	}
	acks, err := x.s.takeAcks(ctx, writer)
	return fmt.Sprint(acks, err), fmt.Sprint(x.m.takeAcks(writer), error(nil))
}

// entry returns the parts of an entry that must be the same on both sides.
func (x *comparison) entry(e entry, err error) string {
	s := fmt.Sprintf("granted %t found %t needed %v token %s value %q not found %t tags %s err %v",
		e.granted, e.found, e.needed, e.token, e.value, e.notFound, e.tagVersions, err)
	if x.pass != nil {
		s += fmt.Sprint(" ", e.wait, e.age, e.freshFor, e.keepFor)
	}
	return s
}

// translate also compares epochs and generations with their earlier translations.
func (x *comparison) translate(epoch, modelEpoch, real, want, generation, modelGeneration string) (string, string) {
	if known, ok := x.names[epoch]; ok && known != modelEpoch {
		return real + " epoch " + known, want + " epoch " + modelEpoch
	}
	if known, ok := x.names[generation]; ok && known != modelGeneration {
		return real + " generation " + known, want + " generation " + modelGeneration
	}
	x.names[epoch], x.names[generation] = modelEpoch, modelGeneration
	return real, want
}
