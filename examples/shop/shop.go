// Package shop is a small web shop: the service that the rest of this repository is tried on.
//
// It is written as its owner would write it, with net/http and libraries that any service would use. What makes it fit
// for many nodes is only where it keeps its state: carts and logins in Redis, everything else in one database, nothing in
// the process but copies that can be told to be old. Started with --state memory it keeps everything in the process, the classic mistake: the same code then
// loses carts and logins as soon as a second node answers.
//
// Each file holds one noun with its type, its storage interface and its handlers: user, login, product, cart, order. The
// interfaces are implemented twice, in memory.go and, for the shared state, in sqlite.go, session.go and cached.go.
//
// Another program can be the shop under a verb of its own, because the whole of it is one function from arguments to
// exit code: shop.Main(ctx, []string{"serve", "--port", "8081"}, os.Stdout, os.Stderr).
package shop

import (
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Shop answers the shop's requests. It holds no state but what State holds; any number of shops may share one.
type Shop struct {
	state    *State
	tokens   *tokens
	password *passwords
	payments Payments
	node     string
	log      *slog.Logger
	metrics  *metrics
	handler  http.Handler
}

// Options of a Shop. The zero value is a shop that can be used in a test.
type Options struct {
	Node         string             // name shown in the footer and in X-Served-By; default "shop"
	Key          ed25519.PrivateKey // signs the tokens; default: the key that State keeps for all nodes
	TokenTTL     time.Duration      // how long a program's login lasts; default 1h
	PasswordCost int                // bcrypt's cost, 4 to 31; default 10, about 50 ms of CPU per login
	Payments     Payments           // default: a simulation that answers at once
	Log          *slog.Logger       // default: discard
}

// New makes a shop over a state. It starts nothing; the state stays the caller's to close.
func New(state *State, o Options) (*Shop, error) {
	if o.Node == "" {
		o.Node = "shop"
	}
	if o.Key == nil {
		o.Key = state.Key
	}
	if o.TokenTTL == 0 {
		o.TokenTTL = time.Hour
	}
	if o.Payments == nil {
		o.Payments = SimulatePayments(0, 0)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	password, err := newPasswords(o.PasswordCost)
	if err != nil {
		return nil, err
	}
	s := &Shop{
		state:    state,
		tokens:   newTokens(o.Key, o.TokenTTL),
		password: password,
		payments: o.Payments,
		node:     o.Node,
		log:      o.Log,
		metrics:  newMetrics(state.caches),
	}
	s.handler = s.routes()
	return s, nil
}

func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// routes is the table of contents.
func (s *Shop) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h handlerFunc) { mux.Handle(pattern, s.answer(h)) }

	handle("GET /{$}", s.front)
	handle("GET /static/{name}", serveAsset)

	handle("POST /api/register", s.register)
	handle("POST /api/login", s.login)
	handle("POST /api/logout", s.logout)
	handle("POST /api/logout-everywhere", s.logoutEverywhere)
	handle("GET /api/me", s.showProfile)
	handle("GET /api/products", s.listProducts)
	handle("GET /api/products/{id}", s.showProduct)
	handle("GET /api/products/{id}/stock", s.showStock)
	handle("PUT /api/products/{id}/price", s.setPrice)
	handle("GET /api/cart", s.showCart)
	handle("POST /api/cart/items", s.addItem)
	handle("DELETE /api/cart/items/{product}", s.removeItem)
	handle("POST /api/orders", s.placeOrder)
	handle("GET /api/orders", s.listOrders)

	mux.HandleFunc("GET /healthz", alive)
	handle("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))

	return s.secure(s.state.Logins.Middleware(s.metrics.measure(sameOrigin(missing(mux)))))
}

// secure sets the headers that every answer carries.
func (s *Shop) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // answers are personal or must be current; only assets say otherwise
		h.Set("X-Served-By", s.node)
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what another site makes a visitor's browser send: the login is in a cookie, so a browser adds it.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, &problem{Status: http.StatusForbidden, Detail: "this request was sent by another site"})
	}))
	return protection.Handler(next)
}
