package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
	"github.com/tenfold-go/tenfold/kit/session"
)

// serve runs a handler behind the middleware on an HTTP server. It returns the URL and a client with a cookie jar.
func serve(t *testing.T, all *session.Sessions, handler http.HandlerFunc) (address string, client *http.Client) {
	t.Helper()
	server := httptest.NewServer(all.Middleware(handler))
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	check(t, err)
	client = server.Client()
	client.Jar = jar
	return server.URL, client
}

func get(t *testing.T, client *http.Client, address string) (*http.Response, string) {
	t.Helper()
	res, err := client.Get(address)
	check(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(t, err)
	return res, string(body)
}

func TestCookieIsSecureByDefault(t *testing.T) {
	for want, o := range map[string]session.Options{
		"__Host-session=TOKEN; Path=/; HttpOnly; Secure; SameSite=Lax": {},
		"session=TOKEN; Path=/; HttpOnly; SameSite=Lax":                {Insecure: true},
		"__Host-shop=TOKEN; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Strict": {
			Cookie: "shop", SameSite: http.SameSiteStrictMode, Persistent: true,
		},
		"__Host-session=TOKEN; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=None": {
			SameSite: http.SameSiteNoneMode, Persistent: true, Absolute: time.Hour,
		},
	} {
		all, _ := openMemory(t, o)
		b := &browser{t: t}
		res := b.visit(all, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			check(t, theme.Set(ctx, s, "dark"))
		})
		if got := strings.Replace(res.Header.Get("Set-Cookie"), b.token(), "TOKEN", 1); got != want {
			t.Errorf("cookie\n%s, want\n%s", got, want)
		}
		if c := res.Header.Get("Cache-Control"); c != "no-store" {
			t.Errorf("a response with a token may be cached: %q", c)
		}
		res = b.visit(all, func(w http.ResponseWriter, _ *http.Request, s *session.Session) { check(t, theme.Set(ctx, s, "light")) })
		if res.Header.Get("Set-Cookie") != "" || res.Header.Get("Vary") != "Cookie" {
			t.Errorf("the next response has header %v", res.Header)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	address := startMemory(t).Addr()
	for _, o := range []session.Options{
		{Idle: -1}, {Idle: time.Millisecond}, {Absolute: time.Millisecond}, {Cookie: "a b"}, {Prefix: "{x}"}, {MaxFields: -1},
		{Insecure: true, SameSite: http.SameSiteNoneMode},
	} {
		if _, err := session.New(redistest.Connect(t, address), &o); err == nil {
			t.Errorf("accepted %+v", o)
		}
	}
	if _, err := session.New(nil, nil); err == nil {
		t.Error("accepted a nil client")
	}
}

func TestUnusedSessionAsksTheStoreNothing(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	b := &browser{t: t, cookie: cookie(create(t, all))}
	commands := store.CommandCount()
	res := b.visit(all, func(w http.ResponseWriter, _ *http.Request, s *session.Session) { io.WriteString(w, "static") })
	if n := store.CommandCount() - commands; n > 0 || res.Header.Get("Vary") != "" {
		t.Errorf("%d commands, header %v", n, res.Header)
	}
}

// TestChangesAreSavedBeforeTheFirstByte: a client that has the first byte of a response finds its changes, with every
// way of sending it.
func TestChangesAreSavedBeforeTheFirstByte(t *testing.T) {
	all, _ := openMemory(t, session.Options{Insecure: true})
	ways := map[string]func(w http.ResponseWriter){
		"return":      func(w http.ResponseWriter) {},
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) },
		"Write":       func(w http.ResponseWriter) { io.WriteString(w, "x") },
		"Flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"controller":  func(w http.ResponseWriter) { check(t, http.NewResponseController(w).Flush()) },
		"ReadFrom":    func(w http.ResponseWriter) { io.Copy(w, strings.NewReader("x")) },
		"early hints": func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints); w.WriteHeader(200) },
		"deadlines": func(w http.ResponseWriter) {
			check(t, http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)))
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			address, client := serve(t, all, func(w http.ResponseWriter, r *http.Request) {
				check(t, theme.Set(r.Context(), session.From(r.Context()), name))
				way(w)
			})
			get(t, client, address)
			u, _ := url.Parse(address)
			cookies := client.Jar.Cookies(u)
			if len(cookies) != 1 {
				t.Fatalf("cookies %v", cookies)
			}
			if v, _ := value(t, all, cookies[0].Value, theme); v != name {
				t.Errorf("theme is %q", v)
			}
		})
	}
}

func TestHijackSavesFirst(t *testing.T) {
	all, _ := openMemory(t, session.Options{Insecure: true})
	token := create(t, all)
	address, _ := serve(t, all, func(w http.ResponseWriter, r *http.Request) {
		check(t, theme.Set(r.Context(), session.From(r.Context()), "hijacked"))
		conn, buffered, err := http.NewResponseController(w).Hijack()
		check(t, err)
		defer conn.Close()
		v, _ := value(t, all, token, theme)
		fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n%s\n", v)
		buffered.Flush()
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	check(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\nCookie: session=%s\r\n\r\n", token)
	answer, err := io.ReadAll(conn)
	check(t, err)
	if !strings.HasSuffix(string(answer), "\r\n\r\nhijacked\n") {
		t.Errorf("got %q", answer)
	}
}

func TestPanicSavesNothing(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	defer func() {
		if recover() == nil || len(store.Keys()) > 0 {
			t.Errorf("no panic, or %v was stored", store.Keys())
		}
	}()
	(&browser{t: t}).visit(all, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		check(t, theme.Set(ctx, s, "dark"))
		panic("oops")
	})
}

// TestUnavailableStoreIsA503AndNoLogout: the handlers ignore the error and respond as to a guest. The visitor must not
// get that response, and must keep the cookie.
func TestUnavailableStoreIsA503AndNoLogout(t *testing.T) {
	all, store := openMemory(t, session.Options{Timeout: 200 * time.Millisecond})
	token := create(t, all)
	store.SetError("LOADING Redis is loading the dataset in memory")
	handlers := map[string]func(w http.ResponseWriter, r *http.Request, s *session.Session){
		"reads and ignores the error": func(w http.ResponseWriter, r *http.Request, s *session.Session) {
			if _, _, err := theme.Get(r.Context(), s); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("err is %v", err)
			}
			w.Header().Set("Location", "/login")
			w.Header().Set("Content-Length", "7")
			http.SetCookie(w, &http.Cookie{Name: "guest", Value: "1"})
			w.WriteHeader(http.StatusFound)
			if _, err := io.WriteString(w, "log in!"); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("writing the dropped response: %v", err)
			}
		},
		"writes": func(w http.ResponseWriter, r *http.Request, s *session.Session) { theme.Set(r.Context(), s, "light") },
		"logs out": func(w http.ResponseWriter, r *http.Request, s *session.Session) {
			if err := s.End(r.Context()); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("err is %v", err)
			}
		},
		"logs in": func(w http.ResponseWriter, r *http.Request, s *session.Session) { s.Login(r.Context(), "ann") },
		"flushes": func(w http.ResponseWriter, r *http.Request, s *session.Session) {
			s.User(r.Context())
			w.(http.Flusher).Flush()
		},
	}
	for name, handle := range handlers {
		t.Run(name, func(t *testing.T) {
			b := &browser{t: t, cookie: cookie(token)}
			res := b.visit(all, handle)
			if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
				t.Errorf("status %d, header %v", res.StatusCode, res.Header)
			}
			if res.Header.Get("Location") != "" || len(res.Cookies()) > 0 || b.token() != token {
				t.Errorf("a part of the handler's response was sent: %v", res.Header)
			}
		})
	}
	t.Run("works without its session", func(t *testing.T) {
		b := &browser{t: t, cookie: cookie(token)}
		res := b.visit(all, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
			if _, err := s.User(r.Context()); errors.Is(err, session.ErrUnavailable) {
				s.IgnoreStoreError()
			}
			w.WriteHeader(http.StatusTeapot)
		})
		if res.StatusCode != http.StatusTeapot || b.token() != token {
			t.Errorf("status %d, token kept %v", res.StatusCode, b.token() == token)
		}
	})
	store.SetError("")
	if v, ok := value(t, all, token, theme); !ok || v != "dark" {
		t.Errorf("after the failure the theme is %q, %v", v, ok)
	}
}

func TestStoppedStoreFailsOncePerRequest(t *testing.T) {
	all, store := openMemory(t, session.Options{Timeout: 300 * time.Millisecond})
	token := create(t, all)
	store.Close()
	begun := time.Now()
	s := all.Open(token)
	for range 20 { // the first call waits, the others fail at once
		if _, err := s.User(ctx); !errors.Is(err, session.ErrUnavailable) {
			t.Fatalf("the store is stopped: %v", err)
		}
	}
	t.Logf("20 uses of a session without a store took %s", time.Since(begun).Round(time.Millisecond))
}

func TestFailedSaveIsA503WithoutACookie(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	b := &browser{t: t}
	res := b.visit(all, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		check(t, theme.Set(r.Context(), s, "dark"))
		store.SetError("OOM command not allowed when used memory > 'maxmemory'")
		io.WriteString(w, "saved!")
	})
	if res.StatusCode != 503 || b.cookie != nil {
		t.Errorf("status %d, cookie %v", res.StatusCode, b.cookie)
	}
	if body, _ := io.ReadAll(res.Body); strings.Contains(string(body), "saved!") {
		t.Errorf("the handler's response was sent: %s", body)
	}
}

func TestOnErrorResponds(t *testing.T) {
	var got error
	all, store := openMemory(t, session.Options{OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
		got = err
		w.WriteHeader(http.StatusTeapot)
	}})
	store.SetError("ERR down")
	b := &browser{t: t, cookie: cookie(newToken(newID()))}
	res := b.visit(all, func(_ http.ResponseWriter, r *http.Request, s *session.Session) { s.User(r.Context()) })
	if res.StatusCode != http.StatusTeapot || !errors.Is(got, session.ErrUnavailable) {
		t.Errorf("status %d, err %v", res.StatusCode, got)
	}
}

// TestDisconnectedClientIsSaved: the client disconnects while the handler returns.
func TestDisconnectedClientIsSaved(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	token := create(t, all)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie(token))
	clientCtx, disconnect := context.WithCancel(ctx)
	all.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		check(t, theme.Set(r.Context(), session.From(r.Context()), "saved"))
		disconnect()
	})).ServeHTTP(httptest.NewRecorder(), r.WithContext(clientCtx))
	if v, _ := value(t, all, token, theme); v != "saved" {
		t.Errorf("theme is %q", v)
	}
}

func TestFromPanicsWithoutMiddleware(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	session.From(ctx)
}

func TestServeErrorStatuses(t *testing.T) {
	for err, status := range map[error]int{
		fmt.Errorf("load: %w", session.ErrUnavailable): 503, context.Canceled: 503, context.DeadlineExceeded: 503,
		session.ErrReadOnly: 409, session.ErrGone: 409, session.ErrConflict: 409, session.ErrOtherUser: 409,
		session.ErrLimit: 413, session.ErrInvalid: 400, session.ErrHeaderWritten: 500, io.EOF: 500,
	} {
		w := httptest.NewRecorder()
		session.ServeError(w, nil, err)
		if w.Code != status || (w.Header().Get("Retry-After") != "") != (status == 503) {
			t.Errorf("%v: status %d, header %v", err, w.Code, w.Header())
		}
	}
}

// TestSaveAfterALoginIsA409: another request logs in during this one, so the change is lost. The client must get an
// error.
func TestSaveAfterALoginIsA409(t *testing.T) {
	all, _ := openMemory(t, session.Options{})
	b := &browser{t: t, cookie: cookie(create(t, all))}
	res := b.visit(all, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		check(t, theme.Set(ctx, s, "mine"))
		check(t, all.Open(b.token()).Login(ctx, "ann"))
	})
	if res.StatusCode != http.StatusConflict || len(res.Cookies()) > 0 {
		t.Errorf("status %d, cookies %v", res.StatusCode, res.Cookies())
	}
}

// TestSaveAfterALogoutIsDropped: the response is the same as if the logout had come after the request. The cookie of
// the browser must not change, because it may be that of a new login.
func TestSaveAfterALogoutIsDropped(t *testing.T) {
	all, store := openMemory(t, session.Options{})
	b := &browser{t: t, cookie: cookie(create(t, all))}
	res := b.visit(all, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		check(t, theme.Set(ctx, s, "mine"))
		check(t, all.Open(b.token()).End(ctx))
		io.WriteString(w, "ok")
	})
	if res.StatusCode != http.StatusOK || len(res.Cookies()) > 0 {
		t.Errorf("status %d, cookies %v", res.StatusCode, res.Cookies())
	}
	if strings.Contains(store.Dump(), "mine") {
		t.Error("the change was stored")
	}
}
