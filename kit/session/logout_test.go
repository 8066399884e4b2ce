package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

func TestLogoutBeatsAHundredRequestsInFlight(t *testing.T) {
	t.Run("store in memory", func(t *testing.T) {
		_, address := memory(t)
		logoutRace(t, address, 200/slow)
	})
	t.Run("redis-server", func(t *testing.T) { logoutRace(t, redistest.Start(t).Addr(), 1000/slow) })
}

// logoutRace logs one visitor in on three nodes, sends 100 requests that read and write the session, and a logout among
// them. However they interleave, the session must be gone afterwards, and the requests must not have begun another.
func logoutRace(t *testing.T, address string, rounds int) {
	const requests = 100
	var nodes []*Sessions
	for range 3 {
		nodes = append(nodes, open(t, redistest.Connect(t, address), patient))
	}
	var before, after, guests, others atomic.Int64
	for round := range rounds {
		b := &browser{t: t}
		b.visit(nodes[0], func(_ http.ResponseWriter, _ *http.Request, s *Session) { check(t, s.Login(ctx, "ann")) })
		token := b.token()
		var all sync.WaitGroup
		var loaded atomic.Int64
		enough, most := make(chan struct{}), 1+rand.Int64N(requests)
		for i := range requests {
			all.Go(func() {
				mine := &browser{t: t, cookie: b.cookie}
				mine.visit(nodes[i%3], func(_ http.ResponseWriter, r *http.Request, s *Session) {
					_, err := s.User(r.Context())
					if loaded.Add(1) == most {
						close(enough)
					}
					if err == nil {
						err = theme.Set(r.Context(), s, "dark")
					}
					if err == nil {
						f := Field[int](fmt.Sprint("field", i%10))
						_, err = f.Update(r.Context(), s, func(n *int) error { *n = i; return nil })
					}
					switch {
					case err == nil:
						before.Add(1)
					case errors.Is(err, ErrGone):
						after.Add(1)
					default:
						others.Add(1)
						t.Errorf("request %d of round %d: %v", i, round, err)
					}
				})
				if mine.token() != token {
					guests.Add(1)
				}
			})
		}
		all.Go(func() {
			<-enough // so many are under way, others are still to come
			leaving := &browser{t: t, cookie: b.cookie}
			leaving.visit(nodes[round%3], func(_ http.ResponseWriter, r *http.Request, s *Session) { check(t, s.End(r.Context())) })
			if leaving.cookie != nil {
				t.Error("the logout left a cookie")
			}
		})
		all.Wait()
		for i, node := range nodes {
			r, err := node.load(ctx, token[:idLength], hashToken(token))
			check(t, err)
			if r.state != ended || r.user != "" || len(r.values) > 0 {
				t.Fatalf("round %d: node %d sees the ended session again: %+v", round, i, r)
			}
		}
	}
	if guests.Load() > 0 {
		t.Errorf("%d requests replaced or cleared the browser's cookie", guests.Load())
	}
	t.Logf("%d logouts, each among %d requests on 3 nodes: 0 sessions resurrected; %d requests wrote before the logout, "+
		"%d were told that it has ended", rounds, requests, before.Load(), after.Load())
}

func TestEndClearsTheCookieAndWhatFollowsIsNew(t *testing.T) {
	all, _ := service(t, Options{})
	b := &browser{t: t}
	b.visit(all, func(_ http.ResponseWriter, _ *http.Request, s *Session) { check(t, s.Login(ctx, "ann")) })
	old := b.token()
	b.visit(all, func(_ http.ResponseWriter, _ *http.Request, s *Session) {
		check(t, s.End(ctx))
		check(t, theme.Set(ctx, s, "dark"))
	})
	if b.token() == "" || b.token()[:idLength] == old[:idLength] {
		t.Errorf("token %q after %q", b.token(), old)
	}
	if user := userOf(t, all, b.token()); user != "" {
		t.Errorf("the new session belongs to %q", user)
	}
	b.visit(all, func(_ http.ResponseWriter, _ *http.Request, s *Session) { check(t, s.End(ctx)) })
	if b.cookie != nil {
		t.Error("the cookie stays")
	}
}

func TestRevokeUserEndsAllSessionsOfOneUser(t *testing.T) {
	all, store := service(t, Options{})
	login := func(user string) string {
		s := all.Open("")
		check(t, s.Login(ctx, user))
		return s.Token()
	}
	phone, laptop, other := login("ann"), login("ann"), login("bob")
	guest := begin(t, all)
	here := all.Open(laptop)
	check(t, views.Set(ctx, here, 7))

	check(t, all.RevokeUser(ctx, "ann"))

	for device, token := range map[string]string{"phone": phone, "laptop": laptop} {
		if user := userOf(t, all, token); user != "" {
			t.Errorf("%s is still logged in as %q", device, user)
		}
		s := all.Open(token)
		check(t, errors.Join(theme.Set(ctx, s, "x"), s.Save(ctx)))
		if s.Token()[:idLength] == token[:idLength] {
			t.Errorf("%s goes on in its old session", device)
		}
	}
	if userOf(t, all, other) != "bob" {
		t.Error("bob was logged out too")
	}
	if _, ok := value(t, all, guest, theme); !ok {
		t.Error("a guest's session ended too")
	}
	again := login("ann")
	store.sleep(all.o.Absolute - 1)
	check(t, all.RevokeUser(ctx, "ann"))
	if userOf(t, all, again) != "" {
		t.Error("the second revocation missed a session")
	}
}

func TestRevokeUserThenLoginKeepsTheSessionAtHand(t *testing.T) {
	all, _ := service(t, Options{})
	s := all.Open("")
	check(t, theme.Set(ctx, s, "dark"))
	check(t, s.Login(ctx, "ann"))
	here := all.Open(s.Token())
	_, err := here.User(ctx)
	check(t, err)
	check(t, all.RevokeUser(ctx, "ann"))
	check(t, here.Login(ctx, "ann"))
	if userOf(t, all, here.Token()) != "ann" {
		t.Error("logged out here too")
	}
	if v, _ := value(t, all, here.Token(), theme); v != "dark" {
		t.Errorf("theme is %q", v)
	}
}
