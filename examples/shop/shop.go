// Package shop is a small web shop: the example service of this repository, and the service that its tests use.
//
// It uses net/http and libraries that any service would use. It can run on many nodes because of where it keeps its
// state: carts and logins in Redis, everything else in one database, and in the process only cached copies that other
// nodes can invalidate. With --state memory it keeps everything in the process, which is the classic mistake: the same
// code then loses carts and logins as soon as there is a second node.
//
// Each file holds one noun with its type, its storage interface and its handlers: user, login, product, cart, order. The
// interfaces are implemented twice, in memory.go and, for the shared state, in sqlite.go, session.go and cached.go.
//
// Another program can run the shop as one of its verbs, because the whole program is one function from arguments to exit code:
// shop.Main(ctx, []string{"serve", "--port", "8081"}, os.Stdout, os.Stderr).
package shop

import (
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Shop handles the requests. All its state is in State, which any number of shops may share.
type Shop struct {
	state    *State
	tokens   *tokens
	password *passwords
	payments Payments
	node     string
	log      *slog.Logger
	metrics  *metrics
	fleet    *fleet // nil for none
	handler  http.Handler
}

// Options of a Shop. The zero value works for tests.
type Options struct {
	Node         string             // name shown in the footer and in X-Served-By; default "shop"
	Key          ed25519.PrivateKey // signs the tokens; default: the key that State keeps for all nodes
	TokenTTL     time.Duration      // how long a program's login lasts; default 1h
	PasswordCost int                // bcrypt's cost, 4 to 31; default 10, about 50 ms of CPU per login
	Payments     Payments           // default: a simulation without latency
	Log          *slog.Logger       // default: discard

	// FleetFile holds the URL of the admin API of the tenfold that runs this shop. The front page then shows the nodes.
	// Default: none.
	FleetFile string
}

// New makes a shop over a state. It starts nothing. The caller closes the state.
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
		fleet:    newFleet(o.FleetFile),
	}
	s.handler = s.routes()
	return s, nil
}

func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// routes lists all paths with their handlers.
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

// secure sets the headers of every response.
func (s *Shop) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // responses are personal or must be current; only assets override this
		h.Set("X-Served-By", s.node)
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses requests that another site makes a browser send, since the browser adds the login cookie to them.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, &problem{Status: http.StatusForbidden, Detail: "this request was sent by another site"})
	}))
	return protection.Handler(next)
}
