package session_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/kit/session"
)

var flash = session.NewField[string]("flash")

func TestPopReturnsAValueOnce(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	for name, token := range map[string]string{"new session": "", "stored session": create(t, all)} {
		t.Run(name, func(t *testing.T) {
			s := all.Open(token)
			check(t, flash.Set(ctx, s, "saved"))
			if v, ok, err := flash.Pop(ctx, s); v != "saved" || !ok || err != nil {
				t.Errorf("pop %q, %v, %v", v, ok, err)
			}
			for range 2 {
				if v, ok, err := flash.Pop(ctx, s); ok || err != nil {
					t.Errorf("pop again %q, %v, %v", v, ok, err)
				}
			}
			check(t, s.Save(ctx))
			if token != "" {
				if v, ok := value(t, all, token, flash); ok {
					t.Errorf("the store has %q", v)
				}
			}
		})
	}
}

func TestParallelPopsGiveTheValueToOne(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	token := create(t, all)
	s := all.Open(token)
	check(t, errors.Join(flash.Set(ctx, s, "saved"), s.Save(ctx)))
	var got atomic.Int64
	var pops, loaded sync.WaitGroup
	loaded.Add(20)
	for range 20 {
		pops.Go(func() {
			s := all.Open(token)
			_, _, err := theme.Get(ctx, s)
			loaded.Done()
			loaded.Wait() // all requests see the value
			_, ok, popErr := flash.Pop(ctx, s)
			if err := errors.Join(err, popErr); err != nil {
				t.Error(err)
			}
			if ok {
				got.Add(1)
			}
		})
	}
	pops.Wait()
	if got.Load() != 1 {
		t.Errorf("%d requests got the value", got.Load())
	}
	if v, ok := value(t, all, token, theme); v != "dark" || !ok {
		t.Errorf("the theme is %q, %v", v, ok)
	}
}

func TestPopOfAnEndedOrReplacedSession(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	token := create(t, all)
	s := all.Open(token)
	check(t, flash.Set(ctx, s, "saved"))
	check(t, s.Save(ctx))
	check(t, s.Login(ctx, "ann"))
	if _, _, err := flash.Pop(ctx, all.Open(token)); !errors.Is(err, session.ErrReadOnly) {
		t.Errorf("with a replaced token: %v", err)
	}
	check(t, s.End(ctx))
	if v, ok, err := flash.Pop(ctx, all.Open(token)); ok || err != nil {
		t.Errorf("of an ended session: %q, %v, %v", v, ok, err)
	}
}

func TestStatsCountOperations(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	s := all.Open(create(t, all))
	check(t, views.Set(ctx, s, 1))
	check(t, s.Save(ctx))
	check(t, s.Login(ctx, "ann"))
	check(t, s.End(ctx))
	check(t, all.RevokeUser(ctx, "ann"))
	store.SetError("ERR down")
	all.Open(newToken(newID())).User(ctx)
	want := session.Stats{Loads: 1, Created: 1, Saves: 1, Renewals: 1, Ended: 1, Revoked: 1, Unavailable: 1}
	if got := all.Stats(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
