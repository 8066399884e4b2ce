package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/redistest"
	"github.com/tenfold-go/tenfold/kit/session"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// connect returns a client of a private server. A service calls rueidis.NewClient with the options of
// rueidis.ParseURL(os.Getenv("REDIS_URL")).
func connect() (client rueidis.Client, stop func()) {
	server, stop := redistest.StartExample()
	return server.Client(), stop
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// visit sends a request with the cookies of a browser, and prints the response.
func visit(browser *http.Client, address string) {
	res, err := browser.Get(address)
	must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(err)
	fmt.Println(strings.TrimSpace(res.Status + ": " + string(body)))
}

// Fields are package variables. Their types say what they hold.
var (
	theme = session.NewField[string]("theme")
	seen  = session.NewField[int]("seen")
)

// Example runs two nodes on one store: one reads what the other one writes.
func Example() {
	client, stop := connect()
	defer stop()
	node := func(name string) *httptest.Server {
		sessions, err := session.New(client, &session.Options{Insecure: true}) // this example speaks plain HTTP
		must(err)
		return httptest.NewServer(sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := seen.Update(r.Context(), session.From(r.Context()), func(n *int) error { *n++; return nil })
			must(err)
			fmt.Fprintf(w, "visit %d, on node %s", n, name)
		})))
	}
	a, b := node("a"), node("b")
	defer a.Close()
	defer b.Close()

	jar, err := cookiejar.New(nil)
	must(err)
	browser := &http.Client{Jar: jar}
	visit(browser, a.URL)
	visit(browser, b.URL)
	visit(browser, a.URL)
	// Output:
	// 200 OK: visit 1, on node a
	// 200 OK: visit 2, on node b
	// 200 OK: visit 3, on node a
}

// ExampleSession_Login shows a login, which makes the session one of a user under a new token, and a logout, which ends
// it.
func ExampleSession_Login() {
	client, stop := connect()
	defer stop()
	sessions, err := session.New(client, &session.Options{Insecure: true})
	must(err)

	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		// ... after checking the password:
		if err := session.From(r.Context()).Login(r.Context(), "user-42"); err != nil {
			session.ServeError(w, r, err)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		user, err := session.From(r.Context()).User(r.Context())
		switch {
		case err != nil:
			session.ServeError(w, r, err)
		case user == "":
			http.Error(w, "please log in", http.StatusUnauthorized)
		default:
			fmt.Fprintf(w, "hello %s", user)
		}
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := session.From(r.Context()).End(r.Context()); err != nil {
			session.ServeError(w, r, err)
		}
	})
	server := httptest.NewServer(sessions.Middleware(mux))
	defer server.Close()

	jar, err := cookiejar.New(nil)
	must(err)
	browser := &http.Client{Jar: jar}
	for _, path := range []string{"/", "/login", "/", "/logout", "/"} {
		visit(browser, server.URL+path)
	}
	// Output:
	// 401 Unauthorized: please log in
	// 200 OK:
	// 200 OK: hello user-42
	// 200 OK:
	// 401 Unauthorized: please log in
}

// ExampleSessions_Open opens a session by a token, for visitors without cookies.
func ExampleSessions_Open() {
	client, stop := connect()
	defer stop()
	sessions, err := session.New(client, nil)
	must(err)
	ctx := context.Background()

	s := sessions.Open("") // a new visitor
	must(theme.Set(ctx, s, "dark"))
	must(s.Save(ctx))
	token := s.Token() // send it to the visitor

	color, ok, err := theme.Get(ctx, sessions.Open(token))
	fmt.Println(color, ok, err)
	color, ok, err = theme.Get(ctx, sessions.Open("something else"))
	fmt.Printf("%q %v %v\n", color, ok, err)
	// Output:
	// dark true <nil>
	// "" false <nil>
}

// ExampleSessions_RevokeUser ends every session of a user except the present one, for example after a password change.
func ExampleSessions_RevokeUser() {
	client, stop := connect()
	defer stop()
	sessions, err := session.New(client, nil)
	must(err)
	ctx := context.Background()
	phone, laptop := sessions.Open(""), sessions.Open("")
	must(phone.Login(ctx, "ann"))
	must(laptop.Login(ctx, "ann"))

	must(sessions.RevokeUser(ctx, "ann"))
	must(laptop.Login(ctx, "ann"))

	for _, s := range []*session.Session{phone, laptop} {
		user, err := sessions.Open(s.Token()).User(ctx)
		fmt.Printf("%q %v\n", user, err)
	}
	// Output:
	// "" <nil>
	// "ann" <nil>
}

// ExampleSession_End shows that a request in flight cannot write to a session that was ended.
func ExampleSession_End() {
	client, stop := connect()
	defer stop()
	sessions, err := session.New(client, nil)
	must(err)
	ctx := context.Background()
	s := sessions.Open("")
	must(s.Login(ctx, "ann"))

	slow := sessions.Open(s.Token())
	must(theme.Set(ctx, slow, "dark"))
	must(s.End(ctx))
	err = slow.Save(ctx)
	fmt.Println(errors.Is(err, session.ErrGone))
	// Output: true
}

// ExampleSession_IgnoreStoreError shows a page that can work without its session. Its response is sent instead of a
// 503.
func ExampleSession_IgnoreStoreError() {
	server, stop := redistest.StartExample()
	defer stop()
	sessions, err := session.New(server.Client(), &session.Options{Insecure: true, Timeout: 100 * time.Millisecond})
	must(err)
	handler := sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := session.From(r.Context())
		color, _, err := theme.Get(r.Context(), s)
		if errors.Is(err, session.ErrUnavailable) && r.URL.Path == "/products" {
			s.IgnoreStoreError()
			color = "plain"
		}
		fmt.Fprint(w, "products in ", color)
	}))

	server.Kill()
	for _, path := range []string{"/products", "/account"} {
		r := httptest.NewRequest("GET", path, nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 products in plain
	// 503 your session is not available at the moment: try again
}

// ExampleField_Pop shows a flash message: one request sets it, the next one shows it once.
func ExampleField_Pop() {
	client, stop := connect()
	defer stop()
	sessions, err := session.New(client, nil)
	must(err)
	ctx := context.Background()
	flash := session.NewField[string]("flash")

	s := sessions.Open("")
	must(flash.Set(ctx, s, "profile saved"))
	must(s.Save(ctx))
	for range 2 {
		message, ok, err := flash.Pop(ctx, sessions.Open(s.Token()))
		fmt.Println(message, ok, err)
	}
	// Output:
	// profile saved true <nil>
	//  false <nil>
}
