package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
	"github.com/tenfold-go/tenfold/kit/session"
)

var ctx = context.Background()

func TestSessionIsFoundOnEveryNode(t *testing.T) {
	address := startMemory(t).Addr()
	one, two := open(t, redistest.Connect(t, address), longTimeout), open(t, redistest.Connect(t, address), longTimeout)
	b := &browser{t: t}
	b.visit(one, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { check(t, theme.Set(ctx, s, "dark")) })
	b.visit(two, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		if v, ok, err := theme.Get(ctx, s); v != "dark" || !ok || err != nil {
			t.Errorf("theme is %q, %v, %v", v, ok, err)
		}
	})
}

func TestReadingStoresNothing(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	b := &browser{t: t}
	res := b.visit(all, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		if _, ok, err := theme.Get(ctx, s); ok || err != nil {
			t.Errorf("got %v, %v", ok, err)
		}
		check(t, theme.Delete(ctx, s))
		if id, err := s.ID(ctx); id != "" || err != nil {
			t.Errorf("id is %q, %v before anything is stored", id, err)
		}
	})
	if len(store.Keys()) > 0 || len(res.Cookies()) > 0 {
		t.Errorf("stored %v, cookies %v", store.Keys(), res.Cookies())
	}
}

func TestOnlyAHashOfTheTokenIsStored(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	token := create(t, all)
	id, secret, _ := strings.Cut(token, ".")
	dump := store.Dump()
	if strings.Contains(dump, secret) {
		t.Error("the store contains the secret")
	}
	if !strings.Contains(dump, id) || !strings.Contains(dump, hashToken(token)) {
		t.Errorf("the store contains neither the id nor the hash:\n%s", dump)
	}
}

func TestConcurrentChangesOfDifferentFields(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	token := create(t, all)
	const n = 50
	var loaded, done sync.WaitGroup
	loaded.Add(n)
	for i := range n {
		done.Go(func() {
			s := all.Open(token)
			_, _, err := theme.Get(ctx, s)
			loaded.Done()
			loaded.Wait() // all requests have read before the first one writes
			f := session.NewField[int](fmt.Sprint("field", i))
			if err := errors.Join(err, f.Set(ctx, s, i), s.Save(ctx)); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	for i := range n {
		if v, ok := value(t, all, token, session.NewField[int](fmt.Sprint("field", i))); !ok || v != i {
			t.Errorf("field %d is %d, %v", i, v, ok)
		}
	}
}

func TestParallelUpdatesOfOneField(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	token := create(t, all)
	var done sync.WaitGroup
	for range 100 {
		done.Go(func() {
			if _, err := views.Update(ctx, all.Open(token), func(n *int) error { *n++; return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if n, _ := value(t, all, token, views); n != 100 {
		t.Errorf("counted %d of 100", n)
	}
}

func TestUpdateSeesPendingChangesAndKeepsNothingOnError(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	refused := errors.New("refused")
	for name, token := range map[string]string{"new session": "", "stored session": create(t, all)} {
		t.Run(name, func(t *testing.T) {
			s := all.Open(token)
			check(t, views.Set(ctx, s, 41))
			if n, err := views.Update(ctx, s, func(n *int) error { *n++; return nil }); n != 42 || err != nil {
				t.Errorf("updated to %d, %v", n, err)
			}
			if _, err := views.Update(ctx, s, func(n *int) error { *n = 0; return refused }); err != refused {
				t.Errorf("err is %v", err)
			}
			check(t, s.Save(ctx))
			if n, _ := value(t, all, s.Token(), views); n != 42 {
				t.Errorf("stored %d", n)
			}
		})
	}
}

func TestIdleTimeEndsAnUnusedSession(t *testing.T) {
	all, store := openMemory(t, session.Options{Idle: 10 * time.Minute, Absolute: time.Hour})
	token := create(t, all)
	for range 5 {
		store.sleep(9 * time.Minute)
		if _, ok := value(t, all, token, theme); !ok {
			t.Fatal("the session ended although it was used every 9 minutes")
		}
	}
	store.sleep(10*time.Minute + time.Millisecond)
	if _, ok := value(t, all, token, theme); ok {
		t.Error("the session exists after 10 idle minutes")
	}
	if len(store.Keys()) > 0 {
		t.Errorf("the store still has %v", store.Keys())
	}
}

func TestAbsoluteTimeEndsAUsedSession(t *testing.T) {
	all, store := openMemory(t, session.Options{Idle: 10 * time.Minute, Absolute: time.Hour})
	token := create(t, all)
	for used := time.Duration(0); used < 55*time.Minute; used += 5 * time.Minute {
		store.sleep(5 * time.Minute)
		s := all.Open(token)
		check(t, views.Set(ctx, s, int(used)))
		check(t, s.Save(ctx))
	}
	store.sleep(5*time.Minute - time.Millisecond)
	if _, ok := value(t, all, token, theme); !ok {
		t.Error("the session ended before its hour")
	}
	store.sleep(2 * time.Millisecond)
	if _, ok := value(t, all, token, theme); ok {
		t.Error("the session exists after its hour")
	}
}

func TestReadExtendsAtMostOncePerTenthOfIdle(t *testing.T) {
	all, store := openMemory(t, session.Options{Idle: 5 * time.Minute})
	token := create(t, all)
	key := sessionKey(token[:idLength])
	for _, step := range []struct {
		wait, left time.Duration
	}{
		{29 * time.Second, 5*time.Minute - 29*time.Second},
		{time.Second, 5 * time.Minute}, // 30 s since the last extension
		{20 * time.Second, 5*time.Minute - 20*time.Second},
		{20 * time.Second, 5 * time.Minute},
	} {
		store.sleep(step.wait)
		before := store.HGet(key, "_b")
		value(t, all, token, theme)
		if left := store.TTL(key); left != step.left {
			t.Errorf("%s later the TTL is %s, want %s", step.wait, left, step.left)
		}
		if store.HGet(key, "_b") != before {
			t.Error("extending the idle time rewrote the session")
		}
	}
}

func TestSessionNearItsAbsoluteEndIsNotExtended(t *testing.T) {
	all, store := openMemory(t, session.Options{Idle: 30 * time.Minute, Absolute: time.Hour})
	token := create(t, all)
	for _, wait := range []time.Duration{20, 20} {
		store.sleep(wait * time.Minute)
		value(t, all, token, theme)
	}
	for range 10 {
		store.sleep(time.Minute)
		commands := store.CommandCount()
		value(t, all, token, theme)
		if n := store.CommandCount() - commands; n != 2 {
			t.Errorf("a read took %d commands", n)
		}
	}
}

func TestFormattedSessionHidesItsToken(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	s := all.Open(create(t, all))
	_, secret, _ := strings.Cut(s.Token(), ".")
	if text := fmt.Sprintf("%v %+v %s", s, s, s); strings.Contains(text, secret) {
		t.Error(text)
	}
}

func TestChangesAfterTheHeaderAreSavedAtOnce(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	b := &browser{t: t, cookie: nil}
	b.visit(all, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		w.WriteHeader(200)
		if err := theme.Set(ctx, s, "late"); !errors.Is(err, session.ErrHeaderWritten) {
			t.Errorf("a session began without a cookie: %v", err)
		}
	})
	b.visit(all, func(w http.ResponseWriter, _ *http.Request, s *session.Session) { check(t, theme.Set(ctx, s, "early")) })
	b.visit(all, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		w.WriteHeader(200)
		check(t, theme.Set(ctx, s, "late"))
		if v, _ := value(t, all, b.token(), theme); v != "late" {
			t.Errorf("theme is %q while the handler runs", v)
		}
		if err := s.Login(ctx, "ann"); !errors.Is(err, session.ErrHeaderWritten) {
			t.Errorf("login after the header: %v", err)
		}
	})
}
