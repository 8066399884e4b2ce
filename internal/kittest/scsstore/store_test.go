package scsstore_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/session/scsstore"
)

var _ interface {
	scs.Store
	scs.CtxStore
} = (*scsstore.Store)(nil)

func open(t *testing.T, o scsstore.Options) (*scsstore.Store, *miniredis.Miniredis) {
	t.Helper()
	redis := miniredis.RunT(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	o.Timeout = time.Minute
	store, err := scsstore.New(client, &o)
	if err != nil {
		t.Fatal(err)
	}
	return store, redis
}

// shop starts one node of a service that uses scs, and returns its URL.
func shop(t *testing.T, store scs.Store, slow chan struct{}) string {
	manager := scs.New()
	manager.Store, manager.IdleTimeout = store, 20*time.Minute
	mux := http.NewServeMux()
	mux.HandleFunc("/set", func(_ http.ResponseWriter, r *http.Request) { manager.Put(r.Context(), "theme", "dark") })
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, manager.GetString(r.Context(), "theme"))
	})
	mux.HandleFunc("/login", func(_ http.ResponseWriter, r *http.Request) {
		if err := manager.RenewToken(r.Context()); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/logout", func(_ http.ResponseWriter, r *http.Request) {
		if err := manager.Destroy(r.Context()); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		slow <- struct{}{} // the session is loaded
		<-slow
		manager.Put(r.Context(), "theme", "late")
	})
	server := httptest.NewServer(manager.LoadAndSave(mux))
	t.Cleanup(server.Close)
	return server.URL
}

type visitor struct {
	t      *testing.T
	client http.Client
}

func newVisitor(t *testing.T) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, http.Client{Jar: jar}}
}

func (v *visitor) get(address string) string {
	v.t.Helper()
	res, err := v.client.Get(address)
	if err != nil {
		v.t.Error(err)
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		v.t.Errorf("%s: %s, %v", address, res.Status, err)
	}
	return string(body)
}

func TestSCSFindsItsSessionsOnEveryNode(t *testing.T) {
	store, redis := open(t, scsstore.Options{})
	one, two := shop(t, store, nil), shop(t, store, nil)
	v := newVisitor(t)
	v.get(one + "/set")
	if theme := v.get(two + "/get"); theme != "dark" {
		t.Errorf("the other node responds %q", theme)
	}
	v.get(two + "/login")
	if theme := v.get(one + "/get"); theme != "dark" {
		t.Errorf("after the login: %q", theme)
	}
	redis.FastForward(21 * time.Minute)
	if theme := v.get(one + "/get"); theme != "" {
		t.Errorf("after 21 idle minutes: %q", theme)
	}
	if keys := redis.Keys(); len(keys) > 0 {
		t.Errorf("the store still has %v", keys)
	}
}

func TestLogoutDuringARequestInFlight(t *testing.T) {
	store, redis := open(t, scsstore.Options{})
	slow := make(chan struct{})
	address := shop(t, store, slow)
	v := newVisitor(t)
	v.get(address + "/set")
	token := tokenOf(t, v, address)
	done := make(chan struct{})
	go func() { defer close(done); v.get(address + "/slow") }()
	<-slow
	v.get(address + "/logout")
	slow <- struct{}{}
	<-done
	if data, found, err := store.Find(token); found || err != nil {
		t.Errorf("the session exists again: %q, %v", data, err)
	}
	redis.FastForward(11 * time.Minute)
	if keys := redis.Keys(); len(keys) > 0 {
		t.Errorf("the store still has %v", keys)
	}
}

func tokenOf(t *testing.T, v *visitor, address string) string {
	t.Helper()
	r := httptest.NewRequest("GET", address, nil)
	cookies := v.client.Jar.Cookies(r.URL)
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	return cookies[0].Value
}

func TestTokensAreHashedAndSizesLimited(t *testing.T) {
	store, redis := open(t, scsstore.Options{MaxBytes: 10})
	hour := time.Now().Add(time.Hour)
	if err := store.Commit("secret", []byte("0123456789"), hour); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(redis.Dump(), "secret") {
		t.Error("the token itself is stored")
	}
	stored := redis.Dump()
	if err := store.Commit("other", []byte("0123456789x"), hour); !errors.Is(err, scsstore.ErrTooLarge) {
		t.Errorf("11 bytes: %v", err)
	}
	if err := store.Commit(strings.Repeat("x", 257), []byte("x"), hour); err == nil {
		t.Error("a token of 257 bytes was stored")
	}
	for _, token := range []string{"", "forged", "\x00\xff", strings.Repeat("x", 1<<20)} {
		if _, found, err := store.Find(token); found || err != nil {
			t.Errorf("token of %d bytes: %v, %v", len(token), found, err)
		}
		if err := store.Delete(token); err != nil {
			t.Error(err)
		}
	}
	if redis.Dump() != stored {
		t.Error("something was stored")
	}
	if err := store.Commit("secret", []byte("x"), time.Now().Add(-time.Hour)); err != nil {
		t.Error(err)
	}
	if _, found, _ := store.Find("secret"); found {
		t.Error("a session that was stored as expired exists")
	}
}

func TestErrorsOfRedisAreReturned(t *testing.T) {
	store, redis := open(t, scsstore.Options{})
	redis.SetError("LOADING Redis is loading the dataset in memory")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, _, err1 := store.FindCtx(ctx, "token")
	err2 := store.CommitCtx(ctx, "token", []byte("x"), time.Now().Add(time.Hour))
	err3 := store.DeleteCtx(ctx, "token")
	if err1 == nil || err2 == nil || err3 == nil {
		t.Errorf("find %v, commit %v, delete %v", err1, err2, err3)
	}
}
