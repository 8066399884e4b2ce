// Package console is the admin address: what people and programs ask a running tenfold, and what they tell it.
//
//	GET  /healthz                          tenfold itself is alive
//	GET  /metrics                          Prometheus text
//	GET  /api/services                     what is wanted and what runs
//	GET  /api/nodes                        every node
//	GET  /api/routes                       what leads where
//	POST /api/services/{name}/restart      rolling restart; answers when it is done
//	POST /api/services/{name}/scale        {"nodes": 5}
//	POST /api/nodes/{id}/drain             replace and stop one node; answers when it is gone
package console

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Node is a node as the console shows it.
type Node struct {
	Service   string    `json:"service"`
	ID        string    `json:"id"`
	Address   string    `json:"address,omitempty"`     // empty for a worker
	State     string    `json:"state"`                 // starting, warming, ready, draining
	Ejected   bool      `json:"ejected"`               // taken out by live traffic, for now
	ProbeErr  string    `json:"probe_error,omitempty"` // why it does not pass its probe
	InFlight  int64     `json:"in_flight"`
	Requests  uint64    `json:"requests"`
	Failures  uint64    `json:"failures"`
	LatencyMS float64   `json:"latency_ms,omitempty"` // moving average of the response time
	PID       int       `json:"pid,omitempty"`
	Started   time.Time `json:"started,omitzero"`
}

// Service is a service as the console shows it.
type Service struct {
	Name       string    `json:"name"`
	Kind       string    `json:"kind"` // process, worker, static
	Min        int       `json:"min"`
	Max        int       `json:"max"`
	Wanted     int       `json:"wanted"`
	Running    int       `json:"running"`
	Ready      int       `json:"ready"`
	Restarts   int       `json:"restarts"`
	Restarting bool      `json:"restarting"`
	CrashLoop  bool      `json:"crash_loop"`
	Breaker    string    `json:"breaker,omitempty"` // closed, open, half-open; none for a worker
	LastExit   *LastExit `json:"last_exit,omitempty"`
}

// LastExit is how a service's last node ended that was not asked to.
type LastExit struct {
	Node   string    `json:"node"`
	Reason string    `json:"reason"`
	Output []string  `json:"output,omitempty"` // its last lines
	At     time.Time `json:"at"`
}

// Route is a route as the console shows it.
type Route struct {
	Host    string            `json:"host,omitempty"`
	Path    string            `json:"path"`
	Methods []string          `json:"methods,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	To      string            `json:"to"`

	Auth        string `json:"auth,omitempty"`        // "jwt"
	RateLimit   string `json:"rate_limit,omitempty"`  // "100/s"
	Idempotency string `json:"idempotency,omitempty"` // "required", "optional"
}

// House is what the console asks and tells. Its methods may be called concurrently. Errors wrap ErrUnknown or ErrRefused
// where that is what happened.
type House interface {
	Services() []Service
	Nodes() []Node
	Routes() []Route
	Restart(ctx context.Context, service string) error
	Scale(ctx context.Context, service string, nodes int) error
	Drain(ctx context.Context, id string) error
}

var (
	ErrUnknown = errors.New("there is no such thing")
	ErrRefused = errors.New("it cannot be done now")
)

// Console serves the admin address.
type Console struct {
	admin    config.Admin
	server   *http.Server
	listener net.Listener
}

// New builds a Console; metrics answers /metrics. It opens nothing.
func New(admin config.Admin, house House, metrics http.Handler) *Console {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok\n") })
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /api/services", func(w http.ResponseWriter, r *http.Request) { reply(w, 200, notNull(house.Services())) })
	mux.HandleFunc("GET /api/nodes", func(w http.ResponseWriter, r *http.Request) { reply(w, 200, notNull(house.Nodes())) })
	mux.HandleFunc("GET /api/routes", func(w http.ResponseWriter, r *http.Request) { reply(w, 200, notNull(house.Routes())) })
	mux.HandleFunc("POST /api/services/{name}/restart", func(w http.ResponseWriter, r *http.Request) {
		// A restart that was begun is finished, also when nobody waits for the answer any more.
		done(w, house.Restart(context.WithoutCancel(r.Context()), r.PathValue("name")))
	})
	mux.HandleFunc("POST /api/services/{name}/scale", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Nodes *int `json:"nodes"`
		}
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
		d.DisallowUnknownFields()
		if err := d.Decode(&body); err != nil || body.Nodes == nil {
			reply(w, http.StatusBadRequest, failed{`the body must be {"nodes": N}`})
			return
		}
		done(w, house.Scale(r.Context(), r.PathValue("name"), *body.Nodes))
	})
	mux.HandleFunc("POST /api/nodes/{id}/drain", func(w http.ResponseWriter, r *http.Request) {
		done(w, house.Drain(context.WithoutCancel(r.Context()), r.PathValue("id")))
	})
	c := &Console{admin: admin}
	// A page in a browser on this machine could send a POST here without any right to: see what it may not.
	handler := http.NewCrossOriginProtection().Handler(mux)
	c.server = &http.Server{
		Handler: c.authorized(handler), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	return c
}

// Listen opens the admin address. It does nothing when the address is "off".
func (c *Console) Listen() error {
	if c.admin.Listen == "off" {
		return nil
	}
	l, err := net.Listen("tcp", c.admin.Listen)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) && op.Err != nil {
			err = op.Err // without the address, which we name
		}
		return fmt.Errorf("listen on admin address %s: %w", c.admin.Listen, err)
	}
	c.listener = l
	return nil
}

// Addr is the address that Listen has opened; nil when it is off.
func (c *Console) Addr() net.Addr {
	if c.listener == nil {
		return nil
	}
	return c.listener.Addr()
}

// Run serves until ctx ends.
func (c *Console) Run(ctx context.Context) error {
	if c.listener == nil {
		<-ctx.Done()
		return nil
	}
	served := make(chan error, 1)
	go func() { served <- c.server.Serve(c.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve admin address: %w", err)
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.server.Shutdown(stopCtx) != nil {
		c.server.Close()
	}
	<-served
	return nil
}

// Close closes the address of a console that never ran.
func (c *Console) Close() error {
	if c.listener == nil {
		return nil
	}
	return c.listener.Close()
}

// authorized lets in who has the token. Without one the address is loopback, where everybody may ask; but a web page that
// names it by a host name of its own (DNS rebinding) may not.
func (c *Console) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); {
		case c.admin.Token != "":
			if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(c.admin.Token)) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				reply(w, http.StatusUnauthorized, failed{"this address wants a token: Authorization: Bearer TOKEN"})
				return
			}
		case !localHost(r.Host):
			reply(w, http.StatusForbidden, failed{"this address answers to localhost and to IP addresses only"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}

type failed struct {
	Error string `json:"error"`
}

// done answers a POST.
func done(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		reply(w, http.StatusOK, struct {
			Done bool `json:"done"`
		}{true})
	case errors.Is(err, ErrUnknown):
		reply(w, http.StatusNotFound, failed{err.Error()})
	case errors.Is(err, ErrRefused):
		reply(w, http.StatusConflict, failed{err.Error()})
	default:
		reply(w, http.StatusInternalServerError, failed{err.Error()})
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(v)
}

// notNull makes an empty list "[]", not "null".
func notNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
