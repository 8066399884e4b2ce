package session_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/session"
)

var secretPlan = session.NewField[string]("plan")

// TestLoginPreventsSessionFixation: an attacker has planted a token in the victim's browser and waits for the login.
func TestLoginPreventsSessionFixation(t *testing.T) {
	all, store := openMemory(t, session.Options{Grace: 5 * time.Second})
	planted := create(t, all)
	victim := &browser{t: t, cookie: cookie(planted)}
	victim.visit(all, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		check(t, s.Login(ctx, "ann"))
		check(t, secretPlan.Set(ctx, s, "buy the company"))
	})
	if victim.token() == planted {
		t.Fatal("the token did not change")
	}
	if user := userOf(t, all, victim.token()); user != "ann" {
		t.Errorf("the victim is %q", user)
	}
	if v, _ := value(t, all, victim.token(), theme); v != "dark" {
		t.Errorf("the victim's theme is %q after the login", v)
	}
	for _, when := range []struct {
		wait  time.Duration
		grace bool
	}{{0, true}, {4 * time.Second, true}, {2 * time.Second, false}} {
		store.sleep(when.wait)
		if user := userOf(t, all, planted); user != "" {
			t.Errorf("the old token is %q", user)
		}
		if plan, ok := value(t, all, planted, secretPlan); ok {
			t.Errorf("the old token reads %q", plan)
		}
		if v, ok := value(t, all, planted, theme); ok != when.grace {
			t.Errorf("the old token reads theme %q, %v", v, ok)
		}
		s := all.Open(planted)
		switch err := theme.Set(ctx, s, "mine"); {
		case when.grace && !errors.Is(err, session.ErrReadOnly):
			t.Errorf("the old token writes: %v", err)
		case !when.grace && err != nil:
			t.Error(err)
		}
		check(t, s.Save(ctx))
	}
	if v, _ := value(t, all, victim.token(), theme); v != "dark" {
		t.Errorf("the old token has set the victim's theme to %q", v)
	}
}

func TestRequestLoadedBeforeALoginCannotWriteAfterIt(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	token := create(t, all)
	slowRequest := all.Open(token)
	check(t, theme.Set(ctx, slowRequest, "mine"))
	s := all.Open(token)
	check(t, s.Login(ctx, "ann"))
	if err := slowRequest.Save(ctx); !errors.Is(err, session.ErrReadOnly) {
		t.Errorf("err is %v", err)
	}
	if v, _ := value(t, all, s.Token(), theme); v != "dark" {
		t.Errorf("theme is %q", v)
	}
}

func TestParallelLoginsAllSucceed(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	token := create(t, all)
	var clicks sync.WaitGroup
	for range 10 {
		clicks.Go(func() {
			s := all.Open(token)
			if err := errors.Join(views.Set(ctx, s, 5), s.Login(ctx, "ann")); err != nil {
				if errors.Is(err, session.ErrReadOnly) { // Set ran after another login: the request can only read
					err = s.Login(ctx, "ann")
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
			if user := userOf(t, all, s.Token()); user != "ann" {
				t.Errorf("the user is %q", user)
			}
			if v, _ := value(t, all, s.Token(), theme); v != "dark" {
				t.Errorf("its theme is %q", v)
			}
		})
	}
	clicks.Wait()
}

func TestLoginRefusesTheSessionOfAnotherUser(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	s := all.Open("")
	check(t, s.Login(ctx, "ann"))
	if err := all.Open(s.Token()).Login(ctx, "bob"); !errors.Is(err, session.ErrOtherUser) {
		t.Errorf("err is %v", err)
	}
	next := all.Open(s.Token())
	check(t, next.End(ctx))
	check(t, next.Login(ctx, "bob"))
	if userOf(t, all, next.Token()) != "bob" || userOf(t, all, s.Token()) != "" {
		t.Error("the sessions are mixed up")
	}
}

func TestLoginRestartsTheAbsoluteTimeAndRenewDoesNot(t *testing.T) {
	all, store := openMemory(t, session.Options{Idle: 2 * time.Hour, Absolute: time.Hour})
	s := all.Open("")
	check(t, s.Login(ctx, "ann"))
	store.sleep(40 * time.Minute)
	check(t, s.Login(ctx, "ann"))
	store.sleep(40 * time.Minute)
	check(t, s.Renew(ctx))
	if userOf(t, all, s.Token()) != "ann" {
		t.Fatal("the login did not restart the hour")
	}
	store.sleep(21 * time.Minute)
	if userOf(t, all, s.Token()) != "" {
		t.Error("the renewal restarted the hour")
	}
}

func TestLogoutEndsTheOldToken(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	old := create(t, all)
	s := all.Open(old)
	check(t, s.Login(ctx, "ann"))
	check(t, s.End(ctx))
	if _, ok := value(t, all, old, theme); ok {
		t.Error("the old token still reads")
	}
	store.sleep(endedTTL + time.Second)
	if len(store.Keys()) > 0 {
		t.Errorf("the store still has %v", store.Keys())
	}
}

func TestLoginKeepsTheID(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	s := all.Open("")
	before, err := s.Ensure(ctx)
	check(t, err)
	check(t, s.Login(ctx, "ann"))
	after, err := all.Open(s.Token()).ID(ctx)
	check(t, err)
	if before == "" || before != after {
		t.Errorf("id %q became %q", before, after)
	}
}
