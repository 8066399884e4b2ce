package session

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// clock is the time of a store in memory: keys expire and TIME moves when it is told to.
type clock struct {
	*miniredis.Miniredis
	now time.Time
}

func (c *clock) sleep(d time.Duration) {
	c.now = c.now.Add(d)
	c.SetTime(c.now)
}

// memory starts a store whose time stands still.
func memory(t testing.TB) (*clock, string) {
	t.Helper()
	c := &clock{miniredis.RunT(t), time.Unix(2_000_000_000, 0)}
	c.SetTime(c.now)
	c.ClockTTL(true)
	return c, c.Addr()
}

// patient is for tests of what happens, not of how long it takes: machines that run them may be busy.
var patient = Options{Timeout: time.Minute}

func open(t testing.TB, client rueidis.Client, o Options) *Sessions {
	t.Helper()
	all, err := New(client, &o)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// service makes the sessions of one node, on a store in memory.
func service(t testing.TB, o Options) (*Sessions, *clock) {
	t.Helper()
	clock, address := memory(t)
	if o.Timeout == 0 {
		o.Timeout = patient.Timeout
	}
	return open(t, redistest.Connect(t, address), o), clock
}

// browser keeps the cookies of one visitor.
type browser struct {
	t      testing.TB
	cookie *http.Cookie
}

// visit sends a request through the middleware to a handler, and keeps the cookie of its answer.
func (b *browser) visit(all *Sessions, handle func(w http.ResponseWriter, r *http.Request, s *Session)) *http.Response {
	b.t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	all.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(w, r, From(r.Context())) })).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == all.cookieName() {
			b.cookie = c
			if c.MaxAge < 0 {
				b.cookie = nil
			}
		}
	}
	return w.Result()
}

func (b *browser) token() string {
	if b.cookie == nil {
		return ""
	}
	return b.cookie.Value
}

const (
	theme Field[string] = "theme"
	views Field[int]    = "views"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// value reads a field as a new request with a token would.
func value[T any](t testing.TB, all *Sessions, token string, f Field[T]) (T, bool) {
	t.Helper()
	v, ok, err := f.Get(context.Background(), all.Open(token))
	check(t, err)
	return v, ok
}

func userOf(t testing.TB, all *Sessions, token string) string {
	t.Helper()
	user, err := all.Open(token).User(context.Background())
	check(t, err)
	return user
}

// begin stores a session with a theme and returns its token.
func begin(t testing.TB, all *Sessions) string {
	t.Helper()
	s := all.Open("")
	check(t, theme.Set(context.Background(), s, "dark"))
	check(t, s.Save(context.Background()))
	if s.Token() == "" {
		t.Fatal("a saved session has no token")
	}
	return s.Token()
}

func keysWith(t testing.TB, c *clock, part string) (keys []string) {
	t.Helper()
	for _, k := range c.Keys() {
		if strings.Contains(k, part) {
			keys = append(keys, k)
		}
	}
	return keys
}
