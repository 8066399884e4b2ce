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

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/session"
)

// connect stands for rueidis.NewClient with the options of rueidis.ParseURL(os.Getenv("REDIS_URL")).
func connect() (client rueidis.Client, stop func()) {
	server := miniredis.NewMiniRedis()
	must(server.Start())
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	must(err)
	return client, func() { client.Close(); server.Close() }
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// visit sends a request as a browser with a cookie jar does, and prints the answer.
func visit(browser *http.Client, address string) {
	res, err := browser.Get(address)
	must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(err)
	fmt.Println(strings.TrimSpace(res.Status + ": " + string(body)))
}

// Fields of a session are constants: their type says what they hold.
const (
	theme session.Field[string] = "theme"
	seen  session.Field[int]    = "seen"
)

// Two nodes share one store: what one writes, the other reads.
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

// A login gives the session to a user under a new token, a logout ends it.
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

// Without cookies, a session is opened by the token that its visitor sends.
func ExampleSessions_Open() {
	client, stop := connect()
	defer stop()
	sessions, err := session.New(client, nil)
	must(err)
	ctx := context.Background()

	s := sessions.Open("") // a new visitor
	must(theme.Set(ctx, s, "dark"))
	must(s.Save(ctx))
	token := s.Token() // to the visitor

	color, ok, err := theme.Get(ctx, sessions.Open(token))
	fmt.Println(color, ok, err)
	color, ok, err = theme.Get(ctx, sessions.Open("something else"))
	fmt.Printf("%q %v %v\n", color, ok, err)
	// Output:
	// dark true <nil>
	// "" false <nil>
}

// A lost phone, or a new password: every session of the user ends, but for the one that asks.
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

// A logout wins over a request that is still under way.
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

// Where a page is as good without its session, the handler says so, and its answer goes out instead of a 503.
func ExampleSession_Dismiss() {
	server := miniredis.NewMiniRedis()
	must(server.Start())
	defer server.Close()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	must(err)
	defer client.Close()
	sessions, err := session.New(client, &session.Options{Insecure: true})
	must(err)
	handler := sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := session.From(r.Context())
		color, _, err := theme.Get(r.Context(), s)
		if errors.Is(err, session.ErrUnavailable) && r.URL.Path == "/products" {
			s.Dismiss()
			color = "plain"
		}
		fmt.Fprint(w, "products in ", color)
	}))

	server.SetError("LOADING")
	for _, path := range []string{"/products", "/account"} {
		r := httptest.NewRequest("GET", path, nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 products in plain
	// 503 your session cannot be read right now: try again in a moment
}

// A double click sends an operation twice; it counts once.
func ExampleCart() {
	client, stop := connect()
	defer stop()
	carts, err := session.NewCarts(client, nil)
	must(err)
	ctx := context.Background()
	cart := carts.Of("user:ann")

	for _, op := range []string{"click-1", "click-1", "click-2"} {
		n, err := cart.Add(ctx, "book", 1, op)
		fmt.Println(n, err)
	}
	must(cart.Remove(ctx, "pen", ""))
	fmt.Println(cart.Quantities(ctx))
	// Output:
	// 1 <nil>
	// 1 <nil>
	// 2 <nil>
	// map[book:2] <nil>
}

// At login the guest's cart moves into the user's, once.
func ExampleCart_Merge() {
	client, stop := connect()
	defer stop()
	sessions, err := session.New(client, nil)
	must(err)
	carts, err := session.NewCarts(client, nil)
	must(err)
	ctx := context.Background()

	s := sessions.Open("")
	id, err := s.Begin(ctx) // a guest's cart needs a session to belong to
	must(err)
	guest := carts.Of("guest:" + id)
	_, err = guest.Add(ctx, "book", 2, "")
	must(err)

	must(s.Login(ctx, "ann")) // the ID stays
	user := carts.Of("user:ann")
	for range 2 {
		dropped, err := user.Merge(ctx, guest)
		fmt.Println(len(dropped), err)
	}
	fmt.Println(user.Quantities(ctx))
	fmt.Println(guest.Quantities(ctx))
	// Output:
	// 0 <nil>
	// 0 <nil>
	// map[book:2] <nil>
	// map[] <nil>
}

// After an order, what was ordered leaves the cart; what was added meanwhile stays.
func ExampleCart_Take() {
	client, stop := connect()
	defer stop()
	carts, err := session.NewCarts(client, nil)
	must(err)
	ctx := context.Background()
	cart := carts.Of("user:ann")
	_, err = cart.Add(ctx, "book", 2, "")
	must(err)

	ordered, err := cart.Quantities(ctx)
	must(err)
	_, err = cart.Add(ctx, "book", 1, "") // in another tab
	must(err)
	must(cart.Take(ctx, ordered, "order-7"))
	must(cart.Take(ctx, ordered, "order-7")) // a retry
	fmt.Println(cart.Quantities(ctx))
	// Output: map[book:1] <nil>
}
