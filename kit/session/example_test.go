package session_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/session"
)

// Fields are package variables.
var (
	seen  = session.NewField[int]("seen")
	flash = session.NewField[string]("flash")
)

var sessions *session.Sessions // made by session.New

// A service counts the visits of each visitor, on any number of nodes.
func Example() {
	options, err := rueidis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	options.DisableCache = true // the package does not use the client-side cache
	client, err := rueidis.NewClient(options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	sessions, err := session.New(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	http.ListenAndServe(":8080", sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := seen.Update(r.Context(), session.From(r.Context()), func(n *int) error { *n++; return nil })
		if err != nil {
			session.ServeError(w, r, err)
			return
		}
		fmt.Fprintf(w, "visit %d", n)
	})))
}

// Login makes the session one of a user, and End is the logout.
func ExampleSession_Login() {
	http.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		// ... after checking the password:
		if err := session.From(r.Context()).Login(r.Context(), "user-42"); err != nil {
			session.ServeError(w, r, err)
		}
	})
	http.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := session.From(r.Context()).End(r.Context()); err != nil {
			session.ServeError(w, r, err)
		}
	})
}

// Without cookies, a session is opened by the token that its visitor sends.
func ExampleSessions_Open() {
	http.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.Open(r.Header.Get("X-Token")) // "" for a new visitor
		if err := errors.Join(seen.Set(r.Context(), s, 1), s.Save(r.Context())); err != nil {
			session.ServeError(w, r, err)
			return
		}
		w.Header().Set("X-Token", s.Token())
	})
}

// After a password change, every session of the user ends except the present one.
func ExampleSessions_RevokeUser() {
	http.HandleFunc("/password", func(w http.ResponseWriter, r *http.Request) {
		err := sessions.RevokeUser(r.Context(), "user-42")
		if err == nil {
			err = session.From(r.Context()).Login(r.Context(), "user-42")
		}
		if err != nil {
			session.ServeError(w, r, err)
		}
	})
}

// A page that can work without its session ignores the error of the store. Its response is sent instead of a 503.
func ExampleSession_IgnoreStoreError() {
	http.HandleFunc("/products", func(w http.ResponseWriter, r *http.Request) {
		s := session.From(r.Context())
		n, _, err := seen.Get(r.Context(), s)
		if errors.Is(err, session.ErrUnavailable) {
			s.IgnoreStoreError()
		}
		fmt.Fprintln(w, "visits:", n)
	})
}

// A flash message is set by one request and shown once by the next one.
func ExampleField_Pop() {
	http.HandleFunc("/profile", func(w http.ResponseWriter, r *http.Request) {
		message, ok, err := flash.Pop(r.Context(), session.From(r.Context()))
		if err != nil {
			session.ServeError(w, r, err)
			return
		}
		if ok {
			fmt.Fprintln(w, message)
		}
	})
}
