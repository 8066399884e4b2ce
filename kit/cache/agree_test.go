package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"
)

// TestModelAgreesWithScripts runs random calls against the scripts and against the model that the simulator uses, and
// compares every answer: on a miniredis whose clock the test owns, so that everything expires in the run, and on a real
// server, where nothing does.
func TestModelAgreesWithScripts(t *testing.T) {
	t.Run("embedded, time passes", func(t *testing.T) {
		server := miniredis.RunT(t)
		now := time.Unix(1_800_000_000, 0)
		server.SetTime(now)
		client := connect(t, server.Addr())
		agree(t, client, 20, now.UnixMicro(), func(d time.Duration) {
			now = now.Add(d)
			server.SetTime(now)
			server.FastForward(d)
		})
	})
	t.Run("real server", func(t *testing.T) {
		client := connect(t, startRedis(t).address)
		agree(t, client, 20, 0, nil)
	})
}

func agree(t *testing.T, client rueidis.Client, rounds int, start int64, pass func(time.Duration)) {
	ctx := t.Context()
	looks := 0
	for round := range rounds {
		seed := uint64(round)
		rng := rand.New(rand.NewPCG(seed, 1))
		prefix := fmt.Sprintf("agree%d/1", round)
		s := newRedisStore(client, prefix)
		epochs := 0
		m := newModel(prefix, "", func() string { epochs++; return fmt.Sprint("e", epochs) })
		m.now = start
		x := &translator{pass: pass != nil, names: map[string]string{}}
		var grants []filling
		var history []string
		for step := range 300 {
			name := fmt.Sprint("k", rng.IntN(3))
			at := Position{uint64(rng.IntN(2)), uint64(rng.IntN(50))}
			real, want := "", ""
			op := rng.IntN(14)
			switch op {
			case 0, 1, 2:
				q := question{token: fmt.Sprint("t", step), lease: time.Minute, early: float64(rng.IntN(3))}
				q.maxLag = time.Duration(rng.IntN(2)) * time.Hour
				if rng.IntN(4) == 0 && len(grants) > 0 {
					g := grants[rng.IntN(len(grants))]
					q.token, q.reject = g.token, g.token
				}
				a, err := s.acquire(ctx, name, q)
				real = x.answer(a, err)
				b := m.acquire(name, q)
				want = x.answer(b, nil)
				if a.granted {
					x.same(a.epoch, b.epoch)
					x.same(a.gen, b.gen)
					of := filling{token: q.token, epoch: a.epoch, gen: a.gen, need: a.need, tags: b.epoch + "\x00" + b.gen}
					grants = append(grants, of)
				}
				real, want = x.text(a.epoch, b.epoch, real, want, a.gen, b.gen)
			case 3, 4, 5:
				if len(grants) == 0 {
					continue
				}
				f := grants[rng.IntN(len(grants))]
				mine := f
				mine.epoch, mine.gen, _ = strings.Cut(f.tags, "\x00")
				value := []byte(fmt.Sprintf("value\x00%d", step))
				neg := rng.IntN(5) == 0
				soft := time.Duration(rng.IntN(3)+1) * time.Minute
				for _, g := range []*filling{&f, &mine} {
					g.at, g.value, g.negative, g.tags = later(at, g.need), value, neg, "x"
					g.soft, g.hard, g.took = soft, 2*soft, 20*time.Second
					if step%3 == 0 {
						g.at = at
					}
				}
				v, err := s.fill(ctx, name, f)
				real, want = fmt.Sprint(v, err), fmt.Sprint(m.fill(name, mine), error(nil))
			case 6:
				if len(grants) == 0 {
					continue
				}
				token := grants[rng.IntN(len(grants))].token
				m.release(name, token, 30*time.Second)
				real, want = fmt.Sprint(s.release(ctx, name, token, 30*time.Second)), "<nil>"
			case 7:
				m.invalidate(object{'k', name}, at, "m")
				real, want = fmt.Sprint(s.invalidate(ctx, object{'k', name}, at, "m")), "<nil>"
			case 8:
				m.invalidate(object{'t', name}, at, "m")
				real, want = fmt.Sprint(s.invalidate(ctx, object{'t', name}, at, "m")), "<nil>"
			case 9:
				tags, lag := []string{"k0", "k1", "k2"}[rng.IntN(3):], time.Duration(rng.IntN(2))*time.Hour
				all, need, err := s.stamps(ctx, tags, lag)
				wall, wneed := m.stamps(tags, lag)
				real, want = fmt.Sprint(x.stamps(all, wall), need, err), fmt.Sprint(wall, wneed, error(nil))
			case 10:
				real, want = x.membership(ctx, s, m, rng)
			case 11, 12:
				early := float64(rng.IntN(3))
				a, ok, err := s.look(ctx, name, early)
				b := m.look(name, early)
				real, want = fmt.Sprint(ok), fmt.Sprint(b.found)
				if ok {
					looks++
					real, want = x.text(a.epoch, b.epoch, x.answer(a, err), x.answer(b, nil), a.gen, b.gen)
				}
			case 13:
				if pass != nil {
					d := time.Duration(rng.IntN(90)) * time.Second
					pass(d)
					m.now += d.Microseconds()
				} else {
					m.now += 1000
				}
			}
			history = append(history, fmt.Sprintf("%d: op %d %s: %s", step, op, name, want))
			if real != want {
				last := strings.Join(history[max(0, len(history)-12):], "\n")
				t.Fatalf("seed %d step %d:\nscript %s\nmodel  %s\n\n%s", seed, step, real, want, last)
			}
		}
	}
	if looks < rounds {
		t.Errorf("%d looks found something: that shows nothing", looks)
	}
}

// translator makes the two sides comparable: epochs are random and generations start from the clock on the real one.
type translator struct {
	pass  bool
	names map[string]string // real to model
}

func (x *translator) same(real, model string) { x.names[real] = model }

func (x *translator) answer(a answer, err error) string {
	s := fmt.Sprintf("granted %t found %t need %v by %s value %q negative %t tags %s err %v",
		a.granted, a.found, a.need, a.by, a.value, a.negative, a.tags, err)
	if x.pass {
		s += fmt.Sprint(" ", a.wait, a.age, a.soft, a.hard)
	}
	return s
}

// text also compares epochs and generations by what they were translated to before.
func (x *translator) text(realEpoch, modelEpoch, real, want, realGen, modelGen string) (string, string) {
	if known, ok := x.names[realEpoch]; ok && known != modelEpoch {
		return real + " epoch " + known, want + " epoch " + modelEpoch
	}
	if known, ok := x.names[realGen]; ok && known != modelGen {
		return real + " generation " + known, want + " generation " + modelGen
	}
	x.same(realEpoch, modelEpoch)
	x.same(realGen, modelGen)
	return real, want
}

func (x *translator) stamps(real, model string) string {
	if known, ok := x.names[real]; ok {
		return known
	}
	x.same(real, model)
	return model
}

func (x *translator) membership(ctx context.Context, s *redisStore, m *model, rng *rand.Rand) (string, string) {
	node := fmt.Sprint("n", rng.IntN(3))
	tidy := func(nodes map[string]bool) string {
		var names []string
		for n, live := range nodes {
			if strings.HasPrefix(n, lostNodes) {
				n = lostNodes
			}
			names = append(names, fmt.Sprint(n, live))
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	switch rng.IntN(5) {
	case 0:
		got, err := s.join(ctx, node)
		return fmt.Sprint(tidy(got), err), fmt.Sprint(tidy(m.join(node)), error(nil))
	case 1:
		got, err := s.renew(ctx, node)
		return fmt.Sprint(got, err), fmt.Sprint(m.list()[node], error(nil))
	case 2:
		m.expel(node)
		return fmt.Sprint(s.expel(ctx, node)), "<nil>"
	case 3:
		m.remove(node)
		return fmt.Sprint(s.remove(ctx, node)), "<nil>"
	}
	got, err := s.members(ctx)
	return fmt.Sprint(tidy(got), err), fmt.Sprint(tidy(m.list()), error(nil))
}
