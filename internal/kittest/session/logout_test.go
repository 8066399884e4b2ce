package session_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
	"github.com/tenfold-go/tenfold/kit/session"
)

func TestLogoutDuringAHundredRequests(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) {
		address := startMemory(t).Addr()
		logoutRace(t, address, 200/slow)
	})
	t.Run("redis-server", func(t *testing.T) { logoutRace(t, redistest.Start(t).Addr(), 1000/slow) })
}

// logoutRace logs a visitor in, sends 100 requests to three nodes that read and write the session, and a logout at a
// random time. In any order, the session must be gone afterwards, and no request may have created another one.
func logoutRace(t *testing.T, address string, rounds int) {
	const requests = 100
	var nodes []*session.Sessions
	for range 3 {
		nodes = append(nodes, open(t, redistest.Connect(t, address), longTimeout))
	}
	var written, refused, newCookies, failed atomic.Int64
	for round := range rounds {
		b := &browser{t: t}
		b.visit(nodes[0], func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { check(t, s.Login(ctx, "ann")) })
		token := b.token()
		var all sync.WaitGroup
		var loaded atomic.Int64
		enough, minLoaded := make(chan struct{}), 1+rand.Int64N(requests)
		for i := range requests {
			all.Go(func() {
				mine := &browser{t: t, cookie: b.cookie}
				mine.visit(nodes[i%3], func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
					_, err := s.User(r.Context())
					if loaded.Add(1) == minLoaded {
						close(enough)
					}
					if err == nil {
						err = theme.Set(r.Context(), s, "dark")
					}
					if err == nil {
						f := session.NewField[int](fmt.Sprint("field", i%10))
						_, err = f.Update(r.Context(), s, func(n *int) error { *n = i; return nil })
					}
					switch {
					case err == nil:
						written.Add(1)
					case errors.Is(err, session.ErrGone):
						refused.Add(1)
					default:
						failed.Add(1)
						t.Errorf("request %d of round %d: %v", i, round, err)
					}
				})
				if mine.token() != token {
					newCookies.Add(1)
				}
			})
		}
		all.Go(func() {
			<-enough // this many requests are in flight, the others follow
			visitor := &browser{t: t, cookie: b.cookie}
			visitor.visit(nodes[round%3], func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
				check(t, s.End(r.Context()))
			})
			if visitor.cookie != nil {
				t.Error("the logout did not delete the cookie")
			}
		})
		all.Wait()
		for i, node := range nodes {
			again := node.Open(token)
			user, err := again.User(ctx)
			check(t, err)
			_, ok, err := theme.Get(ctx, again)
			check(t, err)
			if err := theme.Set(ctx, again, "dark"); user != "" || ok || !errors.Is(err, session.ErrGone) {
				t.Fatalf("round %d: node %d sees the ended session again: user %q, theme %t, %v", round, i, user, ok, err)
			}
		}
	}
	if newCookies.Load() > 0 {
		t.Errorf("%d requests replaced or cleared the browser's cookie", newCookies.Load())
	}
	t.Logf("%d logouts, each during %d requests on 3 nodes: no session exists afterwards; %d requests wrote before the logout, "+
		"%d got ErrGone", rounds, requests, written.Load(), refused.Load())
}

func TestEndDeletesTheCookie(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	b := &browser{t: t}
	b.visit(all, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { check(t, s.Login(ctx, "ann")) })
	old := b.token()
	b.visit(all, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		check(t, s.End(ctx))
		check(t, theme.Set(ctx, s, "dark"))
	})
	if b.token() == "" || b.token()[:idLength] == old[:idLength] {
		t.Errorf("token %q after %q", b.token(), old)
	}
	if user := userOf(t, all, b.token()); user != "" {
		t.Errorf("the new session belongs to %q", user)
	}
	b.visit(all, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { check(t, s.End(ctx)) })
	if b.cookie != nil {
		t.Error("the cookie was not deleted")
	}
}

func TestRevokeUserEndsAllSessionsOfOneUser(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	login := func(user string) string {
		s := all.Open("")
		check(t, s.Login(ctx, user))
		return s.Token()
	}
	phone, laptop, other := login("ann"), login("ann"), login("bob")
	guest := create(t, all)
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
			t.Errorf("%s still writes to its old session", device)
		}
	}
	if userOf(t, all, other) != "bob" {
		t.Error("bob was logged out too")
	}
	if _, ok := value(t, all, guest, theme); !ok {
		t.Error("a guest's session ended too")
	}
	again := login("ann")
	store.sleep(24*time.Hour - 1)
	check(t, all.RevokeUser(ctx, "ann"))
	if userOf(t, all, again) != "" {
		t.Error("the second revocation missed a session")
	}
}

func TestLoginAfterRevokeUserKeepsTheSession(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	s := all.Open("")
	check(t, theme.Set(ctx, s, "dark"))
	check(t, s.Login(ctx, "ann"))
	here := all.Open(s.Token())
	_, err := here.User(ctx)
	check(t, err)
	check(t, all.RevokeUser(ctx, "ann"))
	check(t, here.Login(ctx, "ann"))
	if userOf(t, all, here.Token()) != "ann" {
		t.Error("the present session was ended too")
	}
	if v, _ := value(t, all, here.Token(), theme); v != "dark" {
		t.Errorf("theme is %q", v)
	}
}
