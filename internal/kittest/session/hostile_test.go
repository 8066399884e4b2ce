package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/kit/session"
)

func TestMalformedCookiesAreIgnoredWithoutTheStore(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	good := create(t, all)
	stored := store.Dump()
	for name, value := range map[string]string{
		"empty":                   "",
		"one byte":                "x",
		"oversized":               strings.Repeat("A", 1<<20),
		"a byte too long":         good + "A",
		"a byte too short":        good[:len(good)-1],
		"no dot":                  strings.Replace(good, ".", "A", 1),
		"two dots":                "." + good[1:],
		"binary":                  strings.Repeat("\x00\xff", tokenLength/2),
		"padding":                 good[:len(good)-1] + "=",
		"other alphabet":          "+/" + good[2:],
		"not canonical":           good[:len(good)-1] + "B", // its last bits are not zero
		"quotes":                  `"` + good[:len(good)-2] + `"`,
		"line break":              good[:10] + "\n" + good[11:],
		"braces for a hash tag":   "{" + good[1:idLength-1] + "}" + good[idLength:],
		"glob":                    "*" + good[1:],
		"script":                  "<script>alert(1)</script>" + good[25:],
		"percent-encoded":         "%41" + good[3:],
		"utf-8 look-alike letter": "а" + good[2:],
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", cookieName+"="+value)
			w := httptest.NewRecorder()
			commands := store.CommandCount()
			all.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if user, err := session.From(r.Context()).User(r.Context()); user != "" || err != nil {
					t.Errorf("user %q, %v", user, err)
				}
			})).ServeHTTP(w, r)
			if w.Code != 200 || len(w.Result().Cookies()) > 0 {
				t.Errorf("status %d, cookies %v", w.Code, w.Result().Cookies())
			}
			if n := store.CommandCount() - commands; n > 0 {
				t.Errorf("the store was asked %d times", n)
			}
		})
	}
	if store.Dump() != stored {
		t.Error("something was stored")
	}
}

func TestForgedTokensOpenNoSession(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	good := create(t, all)
	stored := store.Dump()
	for name, token := range map[string]string{
		"right id, other secret": newToken(good[:idLength]),
		"unknown id":             newToken(newID()),
	} {
		t.Run(name, func(t *testing.T) {
			s := all.Open(token)
			if v, ok, err := theme.Get(ctx, s); ok || err != nil {
				t.Errorf("it reads %q, %v", v, err)
			}
			check(t, s.End(ctx))
			check(t, s.Save(ctx))
			check(t, s.Renew(ctx))
		})
	}
	if store.Dump() != stored {
		t.Error("something was stored")
	}
	s := all.Open(newToken(good[:idLength]))
	check(t, theme.Set(ctx, s, "mine"))
	check(t, s.Save(ctx))
	if s.Token()[:idLength] == good[:idLength] {
		t.Error("a forged token chose the id of a new session")
	}
	if v, _ := value(t, all, good, theme); v != "dark" {
		t.Errorf("a forged token wrote %q", v)
	}
}

func TestNamesAreChecked(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	for what, name := range map[string]string{
		"empty": "", "reserved": "_u", "long": strings.Repeat("x", 65),
		"binary": "a\x00b", "not utf-8": "\xff", "line break": "a\nb",
	} {
		wantPanic(t, what+" name", func() { session.NewField[int](name) })
		if what == "reserved" {
			continue
		}
		user := strings.Repeat(name, 5) // longer than 256
		if err := all.Open("").Login(ctx, user); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("%s user: %v", what, err)
		}
		if err := all.RevokeUser(ctx, user); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("revoke %s user: %v", what, err)
		}
	}
	wantPanic(t, "field without NewField", func() { session.Field[int]{}.Set(ctx, all.Open(""), 1) })
	if len(store.Keys()) > 0 {
		t.Errorf("stored %v", store.Keys())
	}
}

func wantPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}

func TestSessionDoesNotExceedItsLimits(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	s := all.Open(create(t, all))
	refused := 0
	for i := range 10_000 {
		if err := session.NewField[int](fmt.Sprint("field", i)).Set(ctx, s, i); errors.Is(err, session.ErrLimit) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused != 10_000-63 {
		t.Errorf("%d of 10,000 fields were refused next to one existing field", refused)
	}
	if err := theme.Set(ctx, s, strings.Repeat("x", 64<<10)); !errors.Is(err, session.ErrLimit) {
		t.Errorf("64 KiB next to other fields: %v", err)
	}
	check(t, s.Save(ctx))
	key := sessionKey(s.Token()[:idLength])
	if fields, _ := store.HKeys(key); len(fields) != 64+6 {
		t.Errorf("%d fields are stored, 6 of them reserved", len(fields))
	}
	check(t, theme.Delete(ctx, s))
	check(t, session.NewField[int]("other").Set(ctx, s, 1))
	check(t, s.Save(ctx))
}

// TestLimitsHoldBetweenRequests: each request alone is within the limits.
func TestLimitsHoldBetweenRequests(t *testing.T) {
	all, _ := openMemory(t, session.Options{MaxFields: 3, MaxBytes: 200})
	token := create(t, all)
	one, two := all.Open(token), all.Open(token)
	for _, s := range []*session.Session{one, two} {
		check(t, session.NewField[int]("a"+fmt.Sprint(s == one)).Set(ctx, s, 1))
		check(t, session.NewField[int]("b"+fmt.Sprint(s == one)).Set(ctx, s, 1))
	}
	check(t, one.Save(ctx))
	if err := two.Save(ctx); !errors.Is(err, session.ErrLimit) {
		t.Errorf("five fields: %v", err)
	}
	for _, f := range []string{"afalse", "bfalse"} {
		if _, ok := value(t, all, token, session.NewField[int](f)); ok {
			t.Errorf("%s was written by a save that was refused", f)
		}
	}
	three, four := all.Open(token), all.Open(token)
	check(t, theme.Set(ctx, three, strings.Repeat("x", 150)))
	check(t, theme.Set(ctx, four, strings.Repeat("y", 151)))
	check(t, three.Save(ctx))
	check(t, four.Save(ctx)) // replaces the long value: it fits
	five := all.Open(token)
	if _, err := session.NewField[string]("atrue").Update(ctx, five, func(*string) error { return nil }); err == nil {
		t.Error("a number was decoded as a string")
	}
	_, err := session.NewField[any]("atrue").Update(ctx, five, func(v *any) error {
		*v = strings.Repeat("z", 100)
		return nil
	})
	if !errors.Is(err, session.ErrLimit) {
		t.Errorf("an update past the limit: %v", err)
	}
}

func TestBytesAreCounted(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	token := create(t, all)
	for _, v := range []string{"", "x", strings.Repeat("x", 1000), "ä", "short"} {
		s := all.Open(token)
		check(t, theme.Set(ctx, s, v))
		check(t, views.Set(ctx, s, len(v)))
		check(t, s.Save(ctx))
		check(t, views.Delete(ctx, s))
		check(t, s.Save(ctx))
		check(t, views.Delete(ctx, s))
		check(t, s.Save(ctx))
		if counted, want := store.HGet(sessionKey(token[:idLength]), "_b"), fmt.Sprint(len("theme")+len(v)+2); counted != want {
			t.Errorf("%d bytes: counted %s, want %s", len(v), counted, want)
		}
	}
}
