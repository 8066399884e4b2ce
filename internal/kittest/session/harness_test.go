package session_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
	"github.com/tenfold-go/tenfold/kit/session"
)

// memoryStore is a miniredis server whose time changes only with sleep.
type memoryStore struct {
	*miniredis.Miniredis
	now time.Time
}

func startMemory(t testing.TB) *memoryStore {
	t.Helper()
	m := &memoryStore{miniredis.RunT(t), time.Unix(2_000_000_000, 0)}
	m.ClockTTL(true)
	m.sleep(0)
	return m
}

func (m *memoryStore) sleep(d time.Duration) {
	m.now = m.now.Add(d)
	m.SetTime(m.now)
}

// longTimeout is for tests that do not test the timeout: the machine may be busy.
var longTimeout = session.Options{Timeout: time.Minute}

func open(t testing.TB, client rueidis.Client, o session.Options) *session.Sessions {
	t.Helper()
	all, err := session.New(client, &o)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// openMemory returns the sessions of one node on a memoryStore.
func openMemory(t testing.TB, o session.Options) (*session.Sessions, *memoryStore) {
	t.Helper()
	store := startMemory(t)
	if o.Timeout == 0 {
		o.Timeout = longTimeout.Timeout
	}
	return open(t, redistest.Connect(t, store.Addr()), o), store
}

// What the package documents of tokens and keys: a token is "ID.SECRET", the store has a SHA-256 of it.
const (
	idLength    = 22
	tokenLength = idLength + 1 + 43
	endedTTL    = time.Minute
	cookieName  = "__Host-session"
)

func newID() string             { return randomText(16) }
func newToken(id string) string { return id + "." + randomText(32) }

func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func sessionKey(id string) string      { return "tenfold:s:{" + id + "}" }
func cookie(token string) *http.Cookie { return &http.Cookie{Name: cookieName, Value: token} }

// browser keeps the session cookie of one visitor.
type browser struct {
	t      testing.TB
	cookie *http.Cookie
}

// visit sends a request through the middleware to a handler, and keeps the cookie of the response.
func (b *browser) visit(
	all *session.Sessions, handle func(w http.ResponseWriter, r *http.Request, s *session.Session),
) *http.Response {
	b.t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	all.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(w, r, session.From(r.Context()))
	})).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		switch {
		case c.MaxAge < 0:
			b.cookie = nil
		case len(c.Value) == tokenLength:
			b.cookie = c
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

var (
	theme = session.NewField[string]("theme")
	views = session.NewField[int]("views")
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// value reads a field as a new request with the token does.
func value[T any](t testing.TB, all *session.Sessions, token string, f session.Field[T]) (T, bool) {
	t.Helper()
	v, ok, err := f.Get(context.Background(), all.Open(token))
	check(t, err)
	return v, ok
}

func userOf(t testing.TB, all *session.Sessions, token string) string {
	t.Helper()
	user, err := all.Open(token).User(context.Background())
	check(t, err)
	return user
}

// create stores a session with a theme and returns its token.
func create(t testing.TB, all *session.Sessions) string {
	t.Helper()
	s := all.Open("")
	check(t, theme.Set(context.Background(), s, "dark"))
	check(t, s.Save(context.Background()))
	if s.Token() == "" {
		t.Fatal("a saved session has no token")
	}
	return s.Token()
}
