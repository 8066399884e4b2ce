package policy

import (
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// RequestHeaders changes the header that the service gets. It comes behind all policies that read the header of the client.
func RequestHeaders(cfg config.HeaderChanges) Policy {
	changes := newChanges(cfg)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			changed := *r
			changed.Header = maps.Clone(r.Header) // the access log reads that of the client
			changes.keep(changed.Header)
			changes.dropUnderscores(changed.Header)
			changes.apply(r, changed.Header)
			next.ServeHTTP(w, &changed)
		})
	}
}

// ResponseHeaders changes the header that the client gets, also in the responses that the gateway gives itself. It does not
// change responses of status 1xx.
func ResponseHeaders(cfg config.HeaderChanges) Policy {
	changes := newChanges(cfg)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&headerWriter{ResponseWriter: w, edit: func(_ int, h http.Header) { changes.apply(r, h) }}, r)
		})
	}
}

// changes are HeaderChanges with their templates read.
type changes struct {
	remove   []string
	set, add []change
}

type change struct {
	name  string
	value config.Template
}

func newChanges(cfg config.HeaderChanges) *changes {
	return &changes{cfg.Remove, changesOf(cfg.Set), changesOf(cfg.Add)}
}

func changesOf(values map[string]string) (all []change) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, change{name, config.ParseTemplate(values[name], config.HeaderPlaceholders)})
	}
	return all
}

// apply changes a header.
func (c *changes) apply(r *http.Request, h http.Header) {
	value := func(name string, _ bool) string { return placeholderValue(r, name, false) }
	for _, name := range c.remove {
		if name == "Content-Type" || name == "Date" || name == "User-Agent" {
			h[name] = nil // else the server or the client package would add its own
		} else {
			delete(h, name)
		}
	}
	for _, s := range c.set {
		h[s.name] = []string{s.value.Expand(value)}
	}
	for _, a := range c.add {
		h[a.name] = append(slices.Clip(h[a.name]), a.value.Expand(value))
	}
}

// keep makes sure that a client cannot have changed fields dropped by naming them in its Connection field.
func (c *changes) keep(h http.Header) {
	lists := h["Connection"]
	if len(lists) == 0 {
		return
	}
	var kept []string
	for _, list := range lists {
		wire.Elements(list, func(name string) bool {
			if !c.sets(textproto.CanonicalMIMEHeaderKey(name)) {
				kept = append(kept, name)
			}
			return true
		})
	}
	if len(kept) == 0 {
		delete(h, "Connection")
	} else {
		h["Connection"] = []string{strings.Join(kept, ", ")}
	}
}

// dropUnderscores removes the spellings with underscores of fields that are set or removed: a CGI-like server reads X_User as
// X-User, and would find the value of the client. The key limits.underscores lets such names pass.
func (c *changes) dropUnderscores(h http.Header) {
	for name := range h {
		if strings.IndexByte(name, '_') < 0 {
			continue
		}
		same := func(other string) bool { return asCGI(other) == asCGI(name) }
		if slices.ContainsFunc(c.remove, same) || slices.ContainsFunc(c.set, func(s change) bool { return same(s.name) }) {
			delete(h, name)
		}
	}
}

// asCGI is a name as a CGI-like server reads it.
func asCGI(name string) string { return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-")) }

func (c *changes) sets(name string) bool {
	is := func(s change) bool { return s.name == name }
	return slices.ContainsFunc(c.set, is) || slices.ContainsFunc(c.add, is)
}
