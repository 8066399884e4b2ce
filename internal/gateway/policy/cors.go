package policy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/caller"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// CORS lets pages of other origins read responses, as the Fetch standard defines it. It answers preflight requests itself. In
// all other responses, its fields take the place of those that the service sends.
func CORS(cfg config.CORS) Policy {
	c := newCORS(cfg)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			origin := c.allowed(r.Header["Origin"])
			if caller.IsPreflight(r) {
				c.preflight(w, r, origin)
				return
			}
			next.ServeHTTP(&headerWriter{ResponseWriter: w, edit: func(_ int, h http.Header) { c.edit(h, origin) }}, r)
		})
	}
}

type cors struct {
	any         bool     // every origin
	exact       []string // origins
	wildcards   []wildcard
	credentials bool
	methods     string
	headers     string // "" for every header
	expose      string
	maxAge      string
}

// wildcard stands for the origins of all names below a host.
type wildcard struct{ scheme, suffix string } // "https://", ".shop.example:8443"

func newCORS(cfg config.CORS) *cors {
	c := &cors{
		credentials: cfg.Credentials, methods: strings.Join(cfg.Methods, ", "), headers: strings.Join(cfg.Headers, ", "),
		expose: strings.Join(cfg.Expose, ", "), maxAge: strconv.Itoa(int(cfg.MaxAge.Seconds())),
	}
	if slices.Contains(cfg.Headers, "*") {
		c.headers = ""
	}
	for _, origin := range cfg.Origins {
		scheme, suffix, below := strings.Cut(origin, "://*.")
		switch {
		case origin == "*":
			c.any = true
		case below:
			c.wildcards = append(c.wildcards, wildcard{scheme + "://", "." + suffix})
		default:
			c.exact = append(c.exact, origin)
		}
	}
	return c
}

// allowed returns the origin that a response names: that of the request if it is in the list, "*", or "".
func (c *cors) allowed(origins []string) string {
	if len(origins) != 1 {
		return ""
	}
	origin := origins[0]
	if c.any {
		return "*"
	}
	if slices.Contains(c.exact, origin) || slices.ContainsFunc(c.wildcards, func(w wildcard) bool { return w.matches(origin) }) {
		return origin
	}
	return ""
}

func (w wildcard) matches(origin string) bool {
	host, ok := strings.CutPrefix(origin, w.scheme)
	name, below := strings.CutSuffix(host, w.suffix)
	return ok && below && name != "" && !strings.ContainsAny(name, "/:@?#") && wire.ValidHost(host)
}

// edit sets the fields of a response. origin is that of allowed.
func (c *cors) edit(h http.Header, origin string) {
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name)
		}
	}
	c.name(h, origin)
	if origin != "" && c.expose != "" {
		h.Set("Access-Control-Expose-Headers", c.expose)
	}
}

// name tells which origin may read the response. Caches must keep the responses to different origins apart.
func (c *cors) name(h http.Header, origin string) {
	if !c.any {
		h.Add("Vary", "Origin")
	}
	if origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// preflight answers a preflight request. The browser compares method and headers with the lists.
func (c *cors) preflight(w http.ResponseWriter, r *http.Request, origin string) {
	h := w.Header()
	c.name(h, origin)
	if origin == "" {
		problem.Write(w, r, problem.Origin)
		return
	}
	h.Set("Access-Control-Allow-Methods", c.methods)
	if headers := c.allowedHeaders(r); headers != "" {
		h.Set("Access-Control-Allow-Headers", headers)
	}
	h.Set("Access-Control-Max-Age", c.maxAge)
	if c.headers == "" {
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	w.WriteHeader(http.StatusNoContent)
}

// allowedHeaders returns the headers of the list, or those that the request asks for when all are allowed. The word "*" would
// not include Authorization, and with credentials it would have no meaning.
func (c *cors) allowedHeaders(r *http.Request) string {
	if c.headers != "" {
		return c.headers
	}
	var asked []string
	for _, list := range r.Header["Access-Control-Request-Headers"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); isToken(name) {
				asked = append(asked, name)
			}
		}
	}
	return strings.Join(asked, ", ")
}
